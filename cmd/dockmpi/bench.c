// SPDX-License-Identifier: MIT
#include "job/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"
#include "bench.h"
#include "fabric/sizes.h"
#include "job/run.h"
#include "out.h"
#include "run.h"
#include "sig.h"
#include "spec/profile.h"
#include "transfer.h"
#include "verbs.h"

static const char *const tests[] = {"latency", "bw", "bibw", "allreduce", "allgather", "barrier"};

/* One tuning set's job. */
struct job {
    const struct dmpi_bench_opts *o;
    const char *tune; /* NULL: the default */
    struct dmpi_session *session;
    const char *images;
    struct dmpi_bench_reader reader;
};

static void started(void *arg, const char *job, int np)
{
    (void)arg;
    dmpi_progress_set("bench", false, "job %s: %d ranks", job, np);
}

static void row_came(void *arg, const json_t *row)
{
    const struct job *j = arg;
    const char *unit = dmpi_json_str(row, "unit");
    dmpi_progress_set("bench", false, "%s%s%s: %" JSON_INTEGER_FORMAT " bytes, %.5g %s",
                      j->tune ? j->tune : "", j->tune ? ", " : "", dmpi_json_str(row, "test"),
                      dmpi_json_int(row, "size", 0), dmpi_bench_number(row, "median"), unit);
}

static void other_line(void *arg, const char *line)
{
    (void)arg;
    dmpi_out_note("%s", line);
}

/* The words of the program: fabric bench OPTIONS TESTS. */
static void add_words(struct dmpi_strv *words, const struct dmpi_bench_opts *o)
{
    dmpi_strv_add(words, DMPI_BENCH_PROGRAM);
    dmpi_strv_add(words, "bench");
    dmpi_strv_add(words, "--json");
    const struct {
        const char *name, *value;
    } values[] = {{"--sizes", o->sizes}, {"--memory", o->memory}, {"--seconds", o->seconds}};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(values); i++) {
        if (!values[i].value)
            continue;
        dmpi_strv_add(words, values[i].name);
        dmpi_strv_add(words, values[i].value);
    }
    if (o->window)
        dmpi_strv_addf(words, "--window=%lld", o->window);
    if (o->no_check)
        dmpi_strv_add(words, "--no-check");
    dmpi_strv_add_all(words, &o->tests);
}

static int mca_of(struct dmpi_run_opts *run, const struct dmpi_bench_opts *o, struct dmpi_err *err)
{
    for (size_t i = 0; i < o->env.n; i++)
        if (dmpi_env_parse(&run->env, o->env.v[i], err) < 0)
            return dmpi_err_wrap(err, "--env");
    for (size_t i = 0; i + 1 < o->mca.n; i += 2)
        dmpi_strv_addf(&run->mca, "%s=%s", o->mca.v[i], o->mca.v[i + 1]);
    return 0;
}

/* What a job that failed means. fabric and mpirun have said their part on standard error. */
static int judge(const struct job *j, const struct dmpi_run_result *r, struct dmpi_err *err)
{
    if (r->canceled && dmpi_sig_first())
        return dmpi_err_set(err, DMPI_ECANCELED, "interrupted");
    if (r->timed_out)
        return dmpi_err_set(err, DMPI_ETIMEOUT, "job %s: canceled after --timeout", r->job);
    if (r->ended)
        return dmpi_err_set(err, DMPI_ECANCELED, "job %s: " DMPI_RUN_WAS_CANCELED, r->job);
    if (r->exit_code == 127)
        return dmpi_err_set(err, DMPI_ENOTFOUND,
                            "an image of the cluster has no " DMPI_BENCH_PROGRAM
                            ": build it anew (`dockmpi image build`), then `dockmpi up`");
    /* Wrong data end the program with 1, after a whole result. */
    if (r->exit_code && !(r->exit_code == 1 && j->reader.ended))
        return dmpi_err_set(err, DMPI_EENGINE, "job %s: the benchmark ended with exit code %d",
                            r->job, r->exit_code);
    if (!j->reader.ended)
        return dmpi_err_set(err, DMPI_EENGINE, "job %s: the benchmark's result came incomplete",
                            r->job);
    return 0;
}

static int run_job(struct job *j, struct dmpi_err *err)
{
    static const int err_fd = STDERR_FILENO;
    struct dmpi_run_opts run = DMPI_RUN_OPTS_INIT;
    struct dmpi_run_result result = {0};
    run.images_dir = j->images;
    run.program = true;
    run.np = (int)j->o->np;
    run.slots = (int)j->o->slots;
    run.tune = j->tune;
    run.keep = true;
    run.timeout_ms = j->o->timeout_ms;
    run.insist_fd = dmpi_sig_force_fd();
    run.streams.out = dmpi_bench_sink(&j->reader);
    run.streams.err = dmpi_out_sink(&err_fd);
    run.progress = dmpi_transfer_display();
    run.on_start = started;
    add_words(&run.words, j->o);
    int rc = mca_of(&run, j->o, err);
    if (rc == 0)
        rc = dmpi_run(j->session->fleet, &j->session->spec, &run, dmpi_app_ctl(), &result, err);
    if (rc == 0)
        rc = judge(j, &result, err);
    dmpi_strv_free(&run.words);
    dmpi_strv_free(&run.env);
    dmpi_strv_free(&run.mca);
    dmpi_run_result_free(&result);
    return rc;
}

/* Runs one tuning set; the run is put into the result when it is whole. */
static int measure(json_t *runs, struct dmpi_session *session, const char *images,
                   const struct dmpi_bench_opts *o, const char *tune, struct dmpi_err *err)
{
    struct job j = {.o = o, .tune = tune, .session = session, .images = images};
    j.reader.row = row_came;
    j.reader.other = other_line;
    j.reader.arg = &j;
    dmpi_bench_begin(&j.reader);
    int rc = run_job(&j, err);
    json_t *run = dmpi_bench_end(&j.reader, tune);
    if (rc == 0)
        dmpi_json_add(runs, run);
    else
        json_decref(run);
    return rc;
}

static int measure_all(json_t **out, const struct dmpi_bench_opts *o, struct dmpi_err *err)
{
    struct dmpi_session session;
    dmpi_autofree char *images = NULL;
    DMPI_AUTO(dmpi_strv_free)
    struct dmpi_strv tunes = dmpi_strv_split(o->tune ? o->tune : "", ',');
    *out = dmpi_json_new_obj();
    json_t *runs = dmpi_json_new_arr();
    dmpi_json_set_int(*out, "format", 1);
    dmpi_json_set(*out, "runs", runs);
    int rc = dmpi_session_open(&session, &o->common, err);
    if (rc == 0)
        rc = dmpi_images_dir(&images, err);
    dmpi_progress_start();
    for (size_t i = 0; rc == 0 && i < tunes.n; i++)
        rc = measure(runs, &session, images, o, tunes.v[i], err);
    if (rc == 0 && tunes.n == 0)
        rc = measure(runs, &session, images, o, NULL, err);
    dmpi_progress_end();
    dmpi_session_close(&session);
    return rc;
}

/* Values that are handed on to the program in the images, which would refuse them later. */
static int check_values(const struct dmpi_bench_opts *o, struct dmpi_err *err)
{
    static const char *const kinds[] = {"host", "cuda", "hip", "gpu"};
    struct fab_sizes sizes;
    bool known = !o->memory;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(kinds); i++)
        known = known || strcmp(o->memory, kinds[i]) == 0;
    if (!known)
        return dmpi_usage(err, "--memory %s: there are host, cuda, hip and gpu", o->memory);
    if (o->sizes && fab_sizes_parse(&sizes, o->sizes))
        return dmpi_usage(err, "--sizes %s: expected sizes such as 1:4M or 8,1K:64K, up to 1G",
                          o->sizes);
    char *end = NULL;
    double seconds = o->seconds ? strtod(o->seconds, &end) : 1;
    if (o->seconds && (end == o->seconds || *end || !(seconds >= 0.001 && seconds <= 3600)))
        return dmpi_usage(err, "--seconds %s: expected a number from 0.001 to 3600", o->seconds);
    return 0;
}

/* All that can be wrong is told before minutes are spent on measuring. */
static int check_opts(const struct dmpi_bench_opts *o, long long *mbit, struct dmpi_err *err)
{
    for (size_t i = 0; i < o->tests.n; i++) {
        bool known = false;
        for (size_t k = 0; k < DMPI_ARRAY_LEN(tests); k++)
            known = known || strcmp(o->tests.v[i], tests[k]) == 0;
        if (!known)
            return dmpi_usage(err,
                              "no test '%s': there are latency, bw, bibw, allreduce, allgather, "
                              "barrier (and probe, alone)",
                              o->tests.v[i]);
    }
    for (size_t i = 0; i + 1 < o->mca.n; i += 2)
        if (!*o->mca.v[i] || strpbrk(o->mca.v[i], "= \t\n") || o->mca.v[i][0] == '-')
            return dmpi_usage(err, "--mca %s: not the name of an MCA parameter", o->mca.v[i]);
    int rc = check_values(o, err);
    if (rc)
        return rc;
    if (o->csv && o->common.json)
        return dmpi_usage(err, "--csv and --json: choose one");
    if (o->from && o->tests.n)
        return dmpi_usage(err, "--from shows all of an earlier result: it takes no tests");
    if (o->line_rate && dmpi_bench_parse_rate(mbit, o->line_rate, err))
        return -1;
    return o->plot ? dmpi_bench_plot_check(o->plot, dmpi_app_ctl(), err) : 0;
}

static int show(json_t *result, const json_t *before, const struct dmpi_bench_opts *o,
                long long mbit, struct dmpi_err *err)
{
    if (mbit == 0)
        mbit = dmpi_bench_line_rate(result);
    if (before && dmpi_bench_compare(result, before, err))
        return -1;
    if (o->common.json)
        dmpi_out_json(json_incref(result));
    else if (o->csv)
        dmpi_bench_print_csv(result, before != NULL);
    else
        dmpi_bench_print(result, before != NULL, mbit);
    return o->plot ? dmpi_bench_plot(o->plot, result, before, mbit, dmpi_app_ctl(), err) : 0;
}

static int bench(const struct dmpi_bench_opts *o, struct dmpi_err *err)
{
    dmpi_json_auto json_t *result = NULL, *before = NULL;
    long long mbit = 0;
    int rc = check_opts(o, &mbit, err);
    if (rc == 0 && o->compare)
        rc = dmpi_bench_load(&before, o->compare, err);
    if (rc == 0)
        rc = o->from ? dmpi_bench_load(&result, o->from, err) : measure_all(&result, o, err);
    if (rc == 0)
        rc = show(result, before, o, mbit, err);
    if (rc == 0 && dmpi_bench_wrong(result) > 0) {
        fflush(stdout);
        dmpi_out_note("data arrived wrong: %" JSON_INTEGER_FORMAT " bytes or elements",
                      dmpi_bench_wrong(result));
        rc = 1;
    }
    return rc;
}

static int run(void *arg, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    struct dmpi_bench_opts *o = arg;
    if (operands->n == 1 && strcmp(operands->v[0], "probe") == 0)
        return dmpi_bench_probe(o, err);
    o->tests = *operands;
    int rc = bench(o, err);
    o->tests = (struct dmpi_strv)DMPI_STRV_INIT;
    return rc;
}

#define AT(member) offsetof(struct dmpi_bench_opts, member)
static const struct dmpi_opt opts[] = {
    {"sizes", 's', DMPI_OPT_STR, AT(sizes), "LIST", "message sizes: 1:4M (the default), 8,1K:64K",
     0, 0},
    {"tune", 0, DMPI_OPT_STR, AT(tune), "LIST",
     "tuning sets, one after the other: tcp,ucx,ucc (see run --tune)", 0, 0},
    {"memory", 0, DMPI_OPT_STR, AT(memory), "KIND",
     "of the messages: host, cuda, hip, or gpu for what each rank has", 0, 0},
    {"seconds", 0, DMPI_OPT_STR, AT(seconds), "T",
     "most time for one size of one test (default 0.5)", 0, 0},
    {"window", 0, DMPI_OPT_INT, AT(window), "N", "messages in flight for bw and bibw (default 64)",
     1, 1024},
    {"no-check", 0, DMPI_OPT_FLAG, AT(no_check), NULL, "do not check the data that arrive", 0, 0},
    {"csv", 0, DMPI_OPT_FLAG, AT(csv), NULL, "comma-separated values instead of a table", 0, 0},
    {"plot", 0, DMPI_OPT_STR, AT(plot), "FILE", "draw the result: FILE.svg or FILE.png (gnuplot)",
     0, 0},
    {"line-rate", 0, DMPI_OPT_STR, AT(line_rate), "RATE",
     "of the network, such as 10G, where its driver does not tell", 0, 0},
    {"compare", 0, DMPI_OPT_STR, AT(compare), "FILE", "with what an earlier bench --json wrote", 0,
     0},
    {"from", 0, DMPI_OPT_STR, AT(from), "FILE", "show what bench --json wrote; measure nothing", 0,
     0},
    {"np", 'n', DMPI_OPT_INT, AT(np), "N", "ranks (default: one for each slot)", 2, 1 << 20},
    {"slots", 0, DMPI_OPT_INT, AT(slots), "N", "ranks that each worker takes", 1, 65536},
    {"env", 'e', DMPI_OPT_LIST, AT(env), "K=V", "set a variable for every rank", 0, 0},
    {"mca", 0, DMPI_OPT_PAIR, AT(mca), "KEY VALUE", "an MCA parameter of Open MPI", 0, 0},
    {"timeout", 0, DMPI_OPT_DURATION, AT(timeout_ms), "TIME", "cancel each job after this time", 0,
     0},
    {0},
};

const struct dmpi_verb dmpi_verb_bench = {
    .name = "bench",
    .args = "[TEST]...  |  probe",
    .summary = "measure MPI between the workers: latency, bandwidth, collectives",
    .details =
        "Tests: latency bw bibw (two ranks, on different nodes if there are), allreduce allgather\n"
        "barrier (all ranks); default: all. The method is that of the OSU micro-benchmarks, and "
        "all\n"
        "data are checked: exit code 1 when any arrived wrong. `bench probe` shows what UCX, Open\n"
        "MPI, UCC, PyTorch and the GPUs are in each worker.",
    .opts = opts,
    .opts_size = sizeof(struct dmpi_bench_opts),
    .json = true,
    .run = run,
};
