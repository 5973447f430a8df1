// SPDX-License-Identifier: MIT
#include "job/ranklog.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/text.h"

#define HEAD_MAX 16
#define OPEN_MAX 64 // files at once; with more ranks the one that is longest open is closed
#define REST (-1)   // in place of a rank: mpirun's words and ours

struct file {
    int rank, which;
    int fd;
};

struct side {
    struct dmpi_ranklog *log;
    int which;
    char head[HEAD_MAX]; // of the present line, while it may be a tag
    size_t head_len;
    bool in_text, tagged, part;
    int rank;
};

struct dmpi_ranklog {
    struct dmpi_streams to;
    bool tags;
    char *dir;
    int ranks;
    struct side sides[2];
    struct file files[OPEN_MAX];
    size_t n_files, oldest;
    bool *known[2]; // files that were begun, by rank + 1
};

// --- files -----------------------------------------------------------------------------------

static char *file_name(const struct dmpi_ranklog *log, int rank, int which)
{
    if (rank == REST)
        return dmpi_xasprintf("%s/job.log", log->dir);
    return dmpi_xasprintf("%s/rank-%d.%s", log->dir, rank, which ? "err" : "log");
}

static int open_file(int *fd, struct dmpi_ranklog *log, int rank, int which, struct dmpi_err *err)
{
    dmpi_autofree char *path = file_name(log, rank, which);
    bool begun = log->known[which][rank + 1];
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | (begun ? 0 : O_TRUNC);
    *fd = open(path, flags, 0666);
    if (*fd < 0)
        return dmpi_err_sys(err, errno, "--output: %s", path);
    log->known[which][rank + 1] = true;
    return 0;
}

static int file_of(int *fd, struct dmpi_ranklog *log, int rank, int which, struct dmpi_err *err)
{
    if (rank == REST)
        which = 0;
    for (size_t i = 0; i < log->n_files; i++) {
        if (log->files[i].rank == rank && log->files[i].which == which) {
            *fd = log->files[i].fd;
            return 0;
        }
    }
    if (open_file(fd, log, rank, which, err) < 0)
        return -1;
    size_t slot = log->n_files < OPEN_MAX ? log->n_files++ : log->oldest++ % OPEN_MAX;
    if (log->n_files == OPEN_MAX && log->files[slot].fd > 0)
        close(log->files[slot].fd);
    log->files[slot] = (struct file){rank, which, *fd};
    return 0;
}

static int to_file(struct side *s, const char *data, size_t n, struct dmpi_err *err)
{
    int fd;
    if (!s->log->dir || n == 0)
        return 0;
    if (file_of(&fd, s->log, s->tagged ? s->rank : REST, s->which, err) < 0)
        return -1;
    if (dmpi_io_write_all(fd, data, n, err) < 0)
        return dmpi_err_wrap(err, "--output %s", s->log->dir);
    return 0;
}

static bool is_ours(const char *name)
{
    static const char prefix[] = "rank-";
    if (!dmpi_text_starts_with(name, prefix))
        return false;
    const char *number = name + sizeof(prefix) - 1;
    size_t digits = strspn(number, "0123456789");
    return digits > 0 &&
           (strcmp(number + digits, ".log") == 0 || strcmp(number + digits, ".err") == 0);
}

// What an earlier job has left there; it may have had more ranks.
static int drop_old(const char *path, struct dmpi_err *err)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    int rc = dir ? 0 : dmpi_err_sys(err, errno, "--output %s", path);
    while (rc == 0 && (entry = readdir(dir)))
        if (is_ours(entry->d_name) && unlinkat(dirfd(dir), entry->d_name, 0) < 0)
            rc = dmpi_err_sys(err, errno, "--output: %s/%s", path, entry->d_name);
    if (dir)
        closedir(dir);
    return rc;
}

// Every rank has its file, also one that prints nothing.
static int begin_files(struct dmpi_ranklog *log, struct dmpi_err *err)
{
    if (dmpi_io_mkdirs(log->dir, 0777, err) < 0)
        return dmpi_err_wrap(err, "--output");
    if (drop_old(log->dir, err) < 0)
        return -1;
    for (int rank = REST; rank < log->ranks; rank++) {
        int fd;
        if (open_file(&fd, log, rank, 0, err) < 0)
            return -1;
        close(fd);
    }
    return 0;
}

// --- lines -----------------------------------------------------------------------------------

static int show(struct side *s, const char *data, size_t n, struct dmpi_err *err)
{
    return dmpi_sink_write(s->which ? &s->log->to.err : &s->log->to.out, data, n, err);
}

static int both(struct side *s, const char *data, size_t n, struct dmpi_err *err)
{
    return show(s, data, n, err) < 0 ? -1 : to_file(s, data, n, err);
}

// Whether the head is a tag: 1, or 0 when it is none, or -1 when that is not known yet.
static int judge(struct side *s)
{
    size_t digits = 0;
    while (digits < s->head_len && s->head[digits] >= '0' && s->head[digits] <= '9')
        digits++;
    if (digits == s->head_len)
        return digits + 3 < HEAD_MAX ? -1 : 0;
    if (digits == 0 || digits > 9 || !strchr(":;", s->head[digits]))
        return 0;
    if (s->head_len == digits + 1)
        return -1;
    s->rank = (int)strtol(s->head, NULL, 10);
    s->part = s->head[digits] == ';';
    return s->head[digits + 1] == ' ' && s->rank < s->log->ranks;
}

static int begin_text(struct side *s, bool tagged, struct dmpi_err *err)
{
    s->in_text = true;
    s->tagged = tagged;
    if (!tagged)
        return both(s, s->head, s->head_len, err);
    for (size_t i = 0; i < s->head_len; i++)
        if (s->head[i] == ';')
            s->head[i] = ':';
    return s->log->tags ? show(s, s->head, s->head_len, err) : 0;
}

static int end_line(struct side *s, struct dmpi_err *err)
{
    bool own = !s->tagged || !s->part;
    int rc = own || s->log->tags ? show(s, "\n", 1, err) : 0;
    if (rc == 0 && own)
        rc = to_file(s, "\n", 1, err);
    s->in_text = s->part = false;
    s->head_len = 0;
    return rc;
}

static int take_byte_of_head(struct side *s, char c, struct dmpi_err *err)
{
    if (c == '\n')
        return begin_text(s, false, err) < 0 ? -1 : end_line(s, err);
    s->head[s->head_len++] = c;
    int tag = judge(s);
    return tag < 0 ? 0 : begin_text(s, tag > 0, err);
}

static int take(void *arg, const void *bytes, size_t n, struct dmpi_err *err)
{
    struct side *s = arg;
    for (const char *data = bytes, *end = data + n; data < end;) {
        if (!s->in_text) {
            if (take_byte_of_head(s, *data++, err) < 0)
                return -1;
            continue;
        }
        const char *newline = memchr(data, '\n', (size_t)(end - data));
        const char *stop = newline ? newline : end;
        if (both(s, data, (size_t)(stop - data), err) < 0 || (newline && end_line(s, err) < 0))
            return -1;
        data = newline ? newline + 1 : end;
    }
    return 0;
}

// --- all of it -------------------------------------------------------------------------------

int dmpi_ranklog_open(struct dmpi_ranklog **out, const struct dmpi_streams *to, bool tags,
                      const char *dir, int ranks, struct dmpi_err *err)
{
    struct dmpi_ranklog *log = dmpi_xcalloc(1, sizeof(*log));
    log->to = *to;
    log->tags = tags;
    log->ranks = ranks;
    log->dir = dir ? dmpi_xstrdup(dir) : NULL;
    for (int which = 0; which < 2; which++) {
        log->sides[which] = (struct side){.log = log, .which = which};
        log->known[which] = dmpi_xcalloc((size_t)ranks + 1, sizeof(bool));
    }
    *out = log;
    if (!dir || begin_files(log, err) == 0)
        return 0;
    struct dmpi_err ignored;
    dmpi_ranklog_close(log, &ignored);
    *out = NULL;
    return -1;
}

struct dmpi_streams dmpi_ranklog_streams(struct dmpi_ranklog *log)
{
    return (struct dmpi_streams){.out = {.write = take, .arg = &log->sides[0]},
                                 .err = {.write = take, .arg = &log->sides[1]}};
}

int dmpi_ranklog_close(struct dmpi_ranklog *log, struct dmpi_err *err)
{
    int rc = 0;
    if (!log)
        return 0;
    for (int which = 0; which < 2; which++) {
        struct side *s = &log->sides[which];
        if (rc == 0 && !s->in_text && s->head_len > 0)
            rc = begin_text(s, false, err);
        free(log->known[which]);
    }
    for (size_t i = 0; i < log->n_files; i++)
        close(log->files[i].fd);
    free(log->dir);
    free(log);
    return rc;
}
