// SPDX-License-Identifier: MIT
/*
 * What a shell asks while somebody types: `dockmpi __complete -- WORD... LAST` prints what LAST could
 * become, "candidate TAB description" a line, and ":files" where a file may stand. Verbs and options come
 * from their tables; what a value or an operand is, from how these call it; names of clusters, jobs and
 * workers from the engines, when they answer soon.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "cluster/state.h"
#include "job/jobs.h"
#include "spec/folders.h"
#include "spec/profile.h"
#include "state.h"
#include "verbs.h"

enum { PATIENCE_MS = 2000 };

enum source { NOTHING, FILES, CLUSTERS, JOBS, MEMBERS, PROFILES, RUNNABLE, VERBS, WORDS };

/* The words that were typed, read as far as they go. */
struct typed {
    const struct dmpi_verb *verb;
    const struct dmpi_opt *waiting; /* option whose value comes next */
    const char *cluster, *file;     /* values of --name and --file */
    size_t operands;
    const char *first;    /* operand */
    bool dashes, program; /* after `--`; within the arguments of a program */
    const char *last;
};

/* ---- reading the words --------------------------------------------------------------------- */

static const struct dmpi_opt *find_in(const struct dmpi_opt *table, const char *word)
{
    for (const struct dmpi_opt *o = table; o->name; o++) {
        size_t len = strlen(o->name);
        if (word[1] == '-' ? strncmp(word + 2, o->name, len) == 0 &&
                                 (word[2 + len] == '\0' || word[2 + len] == '=')
                           : o->letter && o->letter == word[1] && !word[2])
            return o;
    }
    return NULL;
}

static const struct dmpi_opt *find_option(const struct typed *t, const char *word)
{
    const struct dmpi_opt *o = find_in(t->verb->opts, word);
    return o ? o : find_in(dmpi_common_opts, word);
}

static void take_value(struct typed *t, const char *value)
{
    if (strcmp(t->waiting->name, "name") == 0)
        t->cluster = value;
    if (strcmp(t->waiting->name, "file") == 0)
        t->file = value;
    t->waiting = NULL;
}

static void take_operand(struct typed *t, const char *word)
{
    if (t->operands++ == 0)
        t->first = word;
    t->program = t->program || t->verb->how == DMPI_FIRST_STOPS;
}

static void take_word(struct typed *t, const char *word)
{
    if (t->waiting) {
        if (strcmp(word, "=") != 0) /* bash takes --name=x apart */
            take_value(t, word);
    } else if (t->program || t->dashes || word[0] != '-' || !word[1]) {
        take_operand(t, word);
    } else if (strcmp(word, "--") == 0) {
        t->dashes = true;
    } else {
        const char *equals = strchr(word, '=');
        t->waiting = find_option(t, word);
        if (t->waiting && t->waiting->kind == DMPI_OPT_FLAG)
            t->waiting = NULL;
        else if (t->waiting && equals)
            take_value(t, equals + 1);
    }
}

static struct typed read_words(const struct dmpi_strv *words)
{
    struct typed t = {.last = words->n ? words->v[words->n - 1] : ""};
    if (words->n < 2)
        return t;
    t.verb = dmpi_verb_find(words->v[0]);
    for (size_t i = 1; t.verb && i + 1 < words->n; i++)
        take_word(&t, words->v[i]);
    if (t.waiting && strcmp(t.last, "=") == 0)
        t.last = "";
    return t;
}

/* ---- answers --------------------------------------------------------------------------------- */

static void offer(const struct typed *t, const char *word, const char *about)
{
    if (!dmpi_text_starts_with(word, t->last))
        return;
    dmpi_autofree char *safe = dmpi_text_print_safe(word);
    dmpi_autofree char *safe_about = dmpi_text_print_safe(about);
    printf("%s\t%s\n", safe, safe_about);
}

static void offer_verbs(const struct typed *t)
{
    for (size_t i = 0; dmpi_verbs[i]; i++)
        offer(t, dmpi_verbs[i]->name, dmpi_verbs[i]->summary);
}

static void offer_options(const struct typed *t, const struct dmpi_opt *table)
{
    for (const struct dmpi_opt *o = table; o->name; o++) {
        dmpi_autofree char *word = dmpi_xasprintf("--%s", o->name);
        if (t->verb->json || strcmp(o->name, "json") != 0)
            offer(t, word, o->help);
    }
}

/* "build PROFILE... | push PROFILE... | ls [PROFILE...]", "bash|zsh|fish": the words in lower case. */
static void offer_words(const struct typed *t, const char *text)
{
    static const char lower[] = "abcdefghijklmnopqrstuvwxyz";
    while (*(text += strcspn(text, lower))) {
        size_t len = strspn(text, lower);
        dmpi_autofree char *word = dmpi_xstrndup(text, len);
        offer(t, word, "");
        text += len;
    }
}

static void offer_members(const struct typed *t, const struct dmpi_state *state, enum source what)
{
    struct dmpi_err ignored;
    for (size_t i = 0; i < state->n; i++) {
        const struct dmpi_member *m = &state->members[i];
        dmpi_autofree char *label = dmpi_member_label(m);
        if (what == CLUSTERS && (i == 0 || strcmp(m->cluster, m[-1].cluster) != 0))
            offer(t, m->cluster, "cluster");
        if (what == JOBS && m->role == DMPI_JOB)
            offer(t, m->job, m->program);
        if (what == JOBS && m->role == DMPI_JOB && m->job_name[0] &&
            dmpi_job_find(state, m->cluster, m->job_name, &ignored) == m)
            offer(t, m->job_name, m->program);
        if (what == MEMBERS && m->role != DMPI_JOB)
            offer(t, label, "");
    }
}

static void ask_engines(const struct typed *t, enum source what)
{
    struct dmpi_common common = {.file = t->file, .name = t->cluster};
    dmpi_common_environment(&common);
    if (what == CLUSTERS)
        common.name = NULL;
    struct dmpi_session session;
    struct dmpi_state state = {0};
    struct dmpi_err ignored = DMPI_ERR_INIT;
    struct dmpi_ctl soon = dmpi_ctl_within(dmpi_app_ctl(), PATIENCE_MS);
    if (dmpi_session_open(&session, &common, &ignored) == 0) {
        dmpi_state_list(&state, session.fleet, what == CLUSTERS ? NULL : session.spec.name, &soon,
                        &ignored);
        offer_members(t, &state, what);
    }
    dmpi_state_free(&state);
    dmpi_session_close(&session);
}

static void offer_clusters(const struct typed *t)
{
    struct dmpi_strv noted = dmpi_session_noted();
    for (size_t i = 0; i < noted.n; i++)
        offer(t, noted.v[i], "cluster");
    dmpi_strv_free(&noted);
    ask_engines(t, CLUSTERS);
}

/* Profiles, or built-in jobs. */
static void offer_folders(const struct typed *t, enum source what)
{
    struct dmpi_strv names = DMPI_STRV_INIT;
    struct dmpi_err ignored = DMPI_ERR_INIT;
    dmpi_autofree char *images = NULL;
    if (dmpi_images_dir(&images, &ignored) == 0) {
        dmpi_autofree char *jobs = dmpi_xasprintf("%s/jobs", images);
        if (what == PROFILES)
            dmpi_profile_list(&names, images, &ignored);
        else
            dmpi_folder_list(&names, jobs, "job.yaml", &ignored);
    }
    for (size_t i = 0; i < names.n; i++)
        offer(t, names.v[i], what == PROFILES ? "image profile" : "built-in job");
    dmpi_strv_free(&names);
}

static void answer(const struct typed *t, enum source what)
{
    switch (what) {
    case NOTHING:
        break;
    case RUNNABLE:
        offer_folders(t, what);
        puts(":files");
        break;
    case FILES:
        puts(":files");
        break;
    case CLUSTERS:
        offer_clusters(t);
        break;
    case JOBS:
    case MEMBERS:
        ask_engines(t, what);
        break;
    case PROFILES:
        offer_folders(t, what);
        break;
    case VERBS:
        offer_verbs(t);
        break;
    case WORDS:
        offer_words(t, t->verb->args);
        break;
    }
}

/* ---- what is wanted ------------------------------------------------------------------------- */

/* Options by their name and what their value is called, operands by how the usage line calls them. */
static const struct {
    const char *option, *meta, *args;
    enum source what;
} sources[] = {
    {"name", "CLUSTER", NULL, CLUSTERS}, {"image", NULL, NULL, PROFILES},
    {"env", NULL, NULL, NOTHING},        {NULL, "FILE", NULL, FILES},
    {NULL, "DIR", NULL, FILES},          {NULL, "LIST", NULL, MEMBERS},
    {NULL, NULL, "JOB|FILE", RUNNABLE},  {NULL, NULL, "JOB", JOBS},
    {NULL, NULL, "NODE", MEMBERS},       {NULL, NULL, "[COMMAND]", VERBS},
    {NULL, NULL, "bash|", WORDS},        {NULL, NULL, "SRC", FILES},
    {NULL, NULL, "FILE", FILES},
};

static enum source value_of(const struct dmpi_opt *o)
{
    for (size_t i = 0; i < DMPI_ARRAY_LEN(sources); i++)
        if ((sources[i].option || sources[i].meta) &&
            (!sources[i].option || strcmp(sources[i].option, o->name) == 0) &&
            (!sources[i].meta || (o->meta && strcmp(sources[i].meta, o->meta) == 0)))
            return sources[i].what;
    return NOTHING;
}

static enum source operand_of(const struct typed *t)
{
    const char *args = t->verb->args;
    if (t->program && (t->operands > 0 || t->dashes))
        return FILES;
    if (strstr(args, "PROFILE")) /* of a subcommand */
        return t->operands ? PROFILES : WORDS;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(sources); i++)
        if (sources[i].args && strstr(args, sources[i].args))
            return sources[i].what == JOBS && t->operands && !strstr(args, "...") ? NOTHING
                                                                                  : sources[i].what;
    return NOTHING;
}

static int run(void *opts, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    (void)opts;
    (void)err;
    struct typed t = read_words(operands);
    if (operands->n < 2) {
        offer_verbs(&t);
    } else if (!t.verb) {
        return DMPI_EXIT_OK;
    } else if (t.waiting) {
        answer(&t, value_of(t.waiting));
    } else if (t.last[0] == '-' && !t.dashes && !t.program) {
        offer_options(&t, t.verb->opts);
        offer_options(&t, dmpi_common_opts);
    } else {
        answer(&t, t.dashes && t.verb->how == DMPI_FIRST_STOPS ? FILES : operand_of(&t));
    }
    return DMPI_EXIT_OK;
}

static const struct dmpi_opt no_opts[] = {{0}};

const struct dmpi_verb dmpi_verb_complete = {
    .name = "__complete",
    .args = "-- [WORD...]",
    .summary = "what the last word could become, for a shell",
    .opts = no_opts,
    .opts_size = sizeof(struct dmpi_common),
    .run = run,
};
