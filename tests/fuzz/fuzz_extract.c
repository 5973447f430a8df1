// SPDX-License-Identifier: MIT
// Whatever an archive says, nothing outside the folder that it is unpacked into may change.
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "job/extract.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char base[] = "/tmp/dockmpi-fuzz-XXXXXX";

static void check(int ok)
{
    if (!ok)
        abort();
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    return type == FTW_DP ? rmdir(path) : unlink(path);
}

static int unlock(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    return type == FTW_D || type == FTW_DNR ? chmod(path, 0700) : 0;
}

static void wipe(const char *path)
{
    nftw(path, unlock, 16, FTW_PHYS);
    nftw(path, drop, 16, FTW_PHYS | FTW_DEPTH);
}

// BASE/NAME; valid until the next call but three.
static const char *in_base(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", base, name);
    return path;
}

static void leave(void)
{
    wipe(base);
}

static void enter(void)
{
    if (strcmp(base + strlen(base) - 6, "XXXXXX") != 0)
        return;
    check(mkdtemp(base) != NULL && mkdir(in_base("outside"), 0700) == 0);
    int fd = open(in_base("outside/secret"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    check(fd >= 0 && write(fd, "keep", 4) == 4 && close(fd) == 0);
    atexit(leave);
}

static int count(const char *path)
{
    int n = 0;
    DIR *dir = opendir(path);
    check(dir != NULL);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void check_outside(void)
{
    char text[8];
    struct stat st;
    int fd = open(in_base("outside/secret"), O_RDONLY);
    check(fd >= 0 && read(fd, text, sizeof(text)) == 4 && memcmp(text, "keep", 4) == 0);
    check(fstat(fd, &st) == 0 && st.st_nlink == 1 && (st.st_mode & 07777) == 0600);
    close(fd);
    // "." and "..", and what was made here.
    check(count(in_base("outside")) == 3 && count(base) == 4);
    check(access("/tmp/dockmpi-evil", F_OK) != 0);
}

static void run(const char *data, size_t size, const char *top, const char *as)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_extract x;
    check(mkdir(in_base("in"), 0700) == 0);
    int rc = dmpi_extract_open(&x, in_base("in"), top, as, &err);
    if (rc == 0)
        rc = dmpi_extract_feed(&x, data, size, &err);
    if (rc == 0)
        rc = dmpi_extract_finish(&x, &err);
    check(rc == 0 || err.msg[0] != '\0');
    dmpi_extract_free(&x);
    check_outside();
    wipe(in_base("in"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enter();
    run((const char *)data, size, ".", "");
    run((const char *)data, size, "x", "y");
    return 0;
}
