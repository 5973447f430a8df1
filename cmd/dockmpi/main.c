// SPDX-License-Identifier: MIT
/* dockmpi: finds the verb, parses its options, runs it, and turns its outcome into an exit code. */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "app.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "hint.h"
#include "out.h"
#include "sig.h"
#include "verbs.h"

const struct dmpi_verb *const dmpi_verbs[] = {
    &dmpi_verb_up,
    &dmpi_verb_run,
    &dmpi_verb_explain,
    &dmpi_verb_ps,
    &dmpi_verb_jobs,
    &dmpi_verb_logs,
    &dmpi_verb_attach,
    &dmpi_verb_wait,
    &dmpi_verb_cancel,
    &dmpi_verb_why,
    &dmpi_verb_exec,
    &dmpi_verb_shell,
    &dmpi_verb_forward,
    &dmpi_verb_cp,
    &dmpi_verb_doctor,
    &dmpi_verb_bench,
    &dmpi_verb_image,
    &dmpi_verb_import,
    &dmpi_verb_down,
    &dmpi_verb_completion,
    &dmpi_verb_version,
    &dmpi_verb_help,
    NULL,
};

/* For shells and for the build, in no list for people. */
static const struct dmpi_verb *const hidden[] = {&dmpi_verb_complete, &dmpi_verb_man, NULL};

static struct dmpi_ctl app_ctl;

const struct dmpi_ctl *dmpi_app_ctl(void)
{
    return &app_ctl;
}

const struct dmpi_verb *dmpi_verb_find(const char *name)
{
    for (size_t i = 0; dmpi_verbs[i]; i++)
        if (strcmp(dmpi_verbs[i]->name, name) == 0)
            return dmpi_verbs[i];
    for (size_t i = 0; hidden[i]; i++)
        if (strcmp(hidden[i]->name, name) == 0)
            return hidden[i];
    return NULL;
}

int dmpi_usage(struct dmpi_err *err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    dmpi_autofree char *text = dmpi_xvasprintf(fmt, args);
    va_end(args);
    dmpi_err_set(err, DMPI_EINVAL, "%s", text);
    return DMPI_EXIT_USAGE;
}

static void log_line(enum dmpi_log_level level, const char *text, void *unused)
{
    (void)unused;
    (void)level;
    dmpi_out_note("%s", text);
}

static int usage_error(const struct dmpi_verb *verb, const struct dmpi_err *err)
{
    dmpi_out_note("%s", err->msg);
    if (verb)
        dmpi_out_note("see: dockmpi help %s", verb->name);
    return DMPI_EXIT_USAGE;
}

static int outcome(const struct dmpi_verb *verb, int rc, const struct dmpi_err *err)
{
    if (rc == DMPI_EXIT_USAGE && err->code != DMPI_OK)
        return usage_error(verb, err);
    if (rc >= 0)
        return rc;
    if (err->code == DMPI_ECANCELED && dmpi_sig_first()) {
        dmpi_out_note("interrupted");
        return 128 + dmpi_sig_first();
    }
    bool left = dmpi_out_reader_left();
    if (!left || verb == &dmpi_verb_run) /* a job that was canceled for it is worth a word */
        dmpi_out_note("%s", err->msg);
    if (left)
        return 128 + SIGPIPE;
    /* The library begins a message about an option's value with the option: wrong usage, too. */
    bool of_option = err->code == DMPI_EINVAL && dmpi_text_starts_with(err->msg, "--");
    return of_option ? DMPI_EXIT_USAGE : DMPI_EXIT_FAILED;
}

static int run_verb(const struct dmpi_verb *verb, char *const *argv)
{
    struct dmpi_err err = {0};
    const struct dmpi_opt *tables[] = {verb->opts, dmpi_common_opts};
    struct dmpi_strv operands = {0};
    dmpi_autofree void *opts = dmpi_xcalloc(1, verb->opts_size);
    if (verb->defaults)
        memcpy(opts, verb->defaults, verb->opts_size);
    struct dmpi_common *common = opts;
    int rc = dmpi_opts_parse(opts, &operands, tables, 2, verb->how, argv, &err);
    common->dashes_first = rc > 0;
    dmpi_common_environment(common);
    dmpi_hint_choose(
        &(struct dmpi_choice){.verbs = dmpi_verbs, .file = common->file, .name = common->name});
    if (rc < 0) {
        rc = DMPI_EXIT_USAGE;
    } else if (common->help) {
        dmpi_help_print(verb);
        rc = DMPI_EXIT_OK;
    } else if (common->json && !verb->json) {
        rc = dmpi_usage(&err, "%s prints no result that --json could change", verb->name);
    } else {
        if (common->verbose)
            dmpi_log_set(DMPI_LOG_DEBUG, log_line, NULL);
        rc = verb->run(opts, &operands, &err);
    }
    rc = outcome(verb, rc, &err);
    dmpi_opts_free(opts, tables, 2);
    dmpi_strv_free(&operands);
    return rc;
}

static int unknown_verb(const char *word)
{
    struct dmpi_strv names = {0};
    for (size_t i = 0; dmpi_verbs[i]; i++)
        dmpi_strv_add(&names, dmpi_verbs[i]->name);
    const char *near = dmpi_text_suggest(word, (const char *const *)names.v);
    if (near)
        dmpi_out_note("unknown command '%s'; did you mean '%s'?", word, near);
    else
        dmpi_out_note("unknown command '%s'; see: dockmpi help", word);
    dmpi_strv_free(&names);
    return DMPI_EXIT_USAGE;
}

/*
 * A result that could not be written is a failure, as on a full disk. A reader that has left, as head
 * does, has all it wanted: no noise, and the code of a program that SIGPIPE ends.
 */
static int flushed(int rc)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return rc;
    if (rc == 128 + SIGPIPE || dmpi_out_reader_left())
        return rc ? rc : 128 + SIGPIPE;
    dmpi_out_note("the result could not be written to standard output");
    return rc ? rc : DMPI_EXIT_FAILED;
}

/* Who closed a standard stream wants silence there, and not our next socket under its number. */
static void open_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
            _exit(DMPI_EXIT_FAILED); /* nobody can be told why */
}

/* A node takes three descriptors and the usual limit of 1024 is there for select() alone, which nothing here uses. */
static void allow_many_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == files.rlim_max)
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static int start_signals(void)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    int errnum = dmpi_sig_start();
    if (errnum == 0)
        return 0;
    dmpi_err_sys(&err, errnum, "the collector of signals does not start");
    dmpi_out_note("%s", err.msg);
    return -1;
}

int main(int argc, char **argv)
{
    open_standard_streams();
    dmpi_secret_process();
    allow_many_files();
    if (start_signals() != 0)
        return DMPI_EXIT_FAILED;
    app_ctl = (struct dmpi_ctl){.deadline_ms = 0, .cancel_fd = dmpi_sig_cancel_fd()};
    dmpi_log_set(DMPI_LOG_WARN, log_line, NULL);
    if (argc < 2) {
        dmpi_help_print(NULL);
        return DMPI_EXIT_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        word = "help";
    if (strcmp(word, "--version") == 0)
        word = "version";
    const struct dmpi_verb *verb = dmpi_verb_find(word);
    return flushed(verb ? run_verb(verb, argv + 2) : unknown_verb(word));
}
