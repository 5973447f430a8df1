// SPDX-License-Identifier: MIT
// The doctor's look at the network: every worker dials every other one, first through ssh as mpirun
// does, then over a port as the ranks do: of the cluster's range, or of the kernel's choice.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "cluster/doctor_impl.h"
#include "engine/exec.h"
#include "fleet/fleet.h"
#include "fleet/parallel.h"
#include "spec/spec.h"

#define PROBE_MS 60000
#define OUTPUT_MAX (1u << 20)
#define DIALS_AT_ONCE "16"
#define DIAL_BYTES "100000" // over ssh: enough for packets of full size, which a wrong MTU swallows
#define MEASURE_MAX 64      // with more workers each link is tried, but not measured for long

// --- what runs in the workers --------------------------------------------------------------------

// A line for every worker that ssh could not reach, with ssh's own reason.
static const char ssh_script[] =
    "dial() {\n"
    "got=$(ssh -o ConnectTimeout=6 \"$1\" 'head -c " DIAL_BYTES " /dev/zero; echo ok' 2>&1 "
    "</dev/null | tr -d '\\000\\r' | head -n1)\n"
    "[ \"$got\" = ok ] || echo \"$1 failed ${got:-no answer}\"\n"
    "}\n"
    "i=0\n"
    "for w; do dial \"$w\" & i=$((i + 1)); [ $((i % " DIALS_AT_ONCE ")) = 0 ] && wait; done\n"
    "wait\n";

// Listens on the address $ARGV[0] and a free one of the ports $ARGV[1] to $ARGV[2] (0: any) in the
// background, for two minutes at most; prints "port N". Answers "p" with "p", and what ends with "e" with
// "k".
static const char listen_perl[] =
    "use IO::Socket::IP; my $s;\n"
    "for my $p ($ARGV[1] .. $ARGV[2]) {\n"
    "  $s = IO::Socket::IP->new(LocalHost => $ARGV[0], LocalPort => $p, Listen => 128,\n"
    "    Type => SOCK_STREAM) and last;\n"
    "}\n"
    "$s or die \"$!\\n\";\n"
    "$| = 1; print \"port \", $s->sockport, \"\\n\";\n"
    "exit if fork;\n"
    "open $_, '+<', '/dev/null' for *STDIN, *STDOUT, *STDERR;\n"
    "$SIG{CHLD} = 'IGNORE'; alarm 120;\n"
    "while (my $c = $s->accept) {\n"
    "  next if fork;\n"
    "  alarm 30; my $b;\n"
    "  while (sysread $c, $b, 65536) {\n"
    "    syswrite $c, 'p' if $b =~ /p\\z/; syswrite $c, 'k' if $b =~ /e\\z/;\n"
    "  }\n"
    "  exit;\n"
    "}\n";

// Arguments: seconds for each measurement, then worker, address and port of each that is to be
// dialled. The clock of /proc/uptime is coarse, so each measurement is many round trips. Several in
// vain are enough.
static const char dial_perl[] =
    "use IO::Socket::IP; use Socket qw(IPPROTO_TCP TCP_NODELAY);\n"
    "sub now { open my $f, '<', '/proc/uptime'; (split / /, <$f>)[0] }\n"
    "my $long = shift; my $bad = 0; my $at; my $block = ('b' x 262143) . 'e'; $| = 1;\n"
    "$SIG{ALRM} = sub { die \"$at\\n\" }; $SIG{PIPE} = 'IGNORE';\n"
    "sub trip { my ($s, $out) = @_; my $b;\n"
    "  for (my $n = 0; $n < length $out;) { $n += syswrite($s, $out, length($out) - $n, $n) || "
    "die \"$!\\n\" }\n"
    "  sysread($s, $b, 1) or die \"the connection was closed\\n\" }\n"
    "sub rate { my ($s, $out, $max) = @_; my ($n, $t, $d) = (0, now());\n"
    "  do { trip($s, $out); $n++; $d = now() - $t } while $d < $long && $n < $max;\n"
    "  return $n / ($d || 0.01) }\n"
    "while (my ($w, $h, $p) = splice @ARGV, 0, 3) {\n"
    "  eval {\n"
    "    $at = \"port $p does not answer\"; alarm 5;\n"
    "    my $s = IO::Socket::IP->new(PeerHost => $h, PeerPort => $p, Type => SOCK_STREAM)\n"
    "      or die \"port $p: $!\\n\";\n"
    "    setsockopt $s, IPPROTO_TCP, TCP_NODELAY, 1; trip($s, 'p');\n"
    "    my $trips = rate($s, 'p', 1e6);\n"
    "    $at = 'small packets arrive, large ones do not'; alarm 10;\n"
    "    my $blocks = rate($s, $block, 400); alarm 0;\n"
    "    printf \"%s %.3f %.1f\\n\", $w, 1000 / $trips, $blocks / 4; $bad = 0;\n"
    "  };\n"
    "  if ($@) { alarm 0; print \"$w failed $@\"; last if ++$bad == 4 }\n"
    "}\n";

// --- running it ------------------------------------------------------------------------------------

int dmpi_exam_run(struct dmpi_exam *x, const struct dmpi_mesh_worker *w,
                  const struct dmpi_strv *argv, struct dmpi_buf *out, int *code,
                  struct dmpi_err *err)
{
    const struct dmpi_member *m = dmpi_state_worker(&x->state, x->spec->name, w->index);
    struct dmpi_engine *engine;
    int ignored;
    if (!m)
        return dmpi_err_set(err, DMPI_ENOTFOUND, "%s has vanished", w->alias);
    const struct dmpi_ctl ctl = dmpi_ctl_within(x->ctl, PROBE_MS);
    if (dmpi_fleet_engine(&engine, x->fleet, m->node, &ctl, err) < 0)
        return -1;
    return dmpi_exec_run(engine, &ctl, m->id, argv, NULL, 0, out, NULL, code ? code : &ignored,
                         err);
}

int dmpi_exam_shell(struct dmpi_exam *x, const struct dmpi_mesh_worker *w, const char *script,
                    const struct dmpi_strv *args, struct dmpi_buf *out, struct dmpi_err *err)
{
    const char *const words[] = {"/bin/sh", "-c", script, "sh"};
    struct dmpi_strv argv DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    dmpi_strv_add_array(&argv, words, DMPI_ARRAY_LEN(words));
    if (args)
        dmpi_strv_add_all(&argv, args);
    return dmpi_exam_run(x, w, &argv, out, NULL, err);
}

void dmpi_exam_failed(struct dmpi_exam *x, const struct dmpi_mesh_worker *w,
                      const struct dmpi_err *err)
{
    pthread_mutex_lock(&x->lock);
    dmpi_report_add(x->report, DMPI_BAD, "worker", w->node, NULL, "%s", err->msg);
    pthread_mutex_unlock(&x->lock);
}

struct dials {
    struct dmpi_exam *x;
    struct dmpi_dial *all; // one row a worker, n - 1 long: the others in the order of dialling
    int *ports;            // one a worker: where it listens; 0: nowhere
};

// The k-th that worker i dials. Everybody begins elsewhere, so that links are measured one by one.
static size_t other(const struct dials *d, size_t i, size_t k)
{
    return (i + 1 + k) % d->x->mesh.n;
}

static struct dmpi_dial *row(const struct dials *d, size_t i)
{
    return &d->all[i * (d->x->mesh.n - 1)];
}

static void start_listener(size_t i, void *arg)
{
    struct dials *d = arg;
    const struct dmpi_mesh_worker *w = &d->x->mesh.workers[i];
    const char *const words[] = {"perl", "-e", listen_perl, w->addr};
    struct dmpi_strv argv DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    struct dmpi_buf out DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(OUTPUT_MAX);
    struct dmpi_err err = DMPI_ERR_INIT; // an image without perl: that half is left out
    const struct dmpi_ports ports = dmpi_ports_ranks(&d->x->spec->ports);
    dmpi_strv_add_array(&argv, words, DMPI_ARRAY_LEN(words));
    dmpi_strv_addf(&argv, "%d", ports.first);
    dmpi_strv_addf(&argv, "%d", ports.last);
    if (dmpi_exam_run(d->x, w, &argv, &out, NULL, &err) < 0 ||
        sscanf(dmpi_buf_str(&out), "port %d", &d->ports[i]) != 1)
        d->ports[i] = 0;
}

// Enters the lines that a dialling worker printed into its row.
static void enter(struct dials *d, size_t i, const char *text)
{
    struct dmpi_strv lines DMPI_AUTO(dmpi_strv_free) = dmpi_strv_split(text, '\n');
    for (size_t l = 0; l < lines.n; l++) {
        struct dmpi_dial got;
        if (!dmpi_dial_parse(&got, lines.v[l]))
            continue;
        for (size_t k = 0; k + 1 < d->x->mesh.n; k++) {
            struct dmpi_dial *dial = &row(d, i)[k];
            if (strcmp(dial->to, got.to) != 0)
                continue;
            dial->rtt_ms = got.rtt_ms;
            dial->mib_s = got.mib_s;
            free(dial->error);
            dial->error = DMPI_STEAL(got.error);
        }
        free(got.error);
    }
}

static void dial_ssh(size_t i, void *arg)
{
    struct dials *d = arg;
    const struct dmpi_mesh_worker *w = &d->x->mesh.workers[i];
    struct dmpi_strv aliases DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    struct dmpi_buf out DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(OUTPUT_MAX);
    struct dmpi_err err = DMPI_ERR_INIT;
    for (size_t k = 0; k + 1 < d->x->mesh.n; k++) {
        struct dmpi_dial *dial = &row(d, i)[k];
        const struct dmpi_mesh_worker *to = &d->x->mesh.workers[other(d, i, k)];
        snprintf(dial->from, sizeof dial->from, "%s", w->alias);
        snprintf(dial->to, sizeof dial->to, "%s", to->alias);
        dial->node = dmpi_xstrdup(w->node);
        dial->rtt_ms = dial->mib_s = -1;
        dmpi_strv_add(&aliases, to->alias);
    }
    if (dmpi_exam_shell(d->x, w, ssh_script, &aliases, &out, &err) < 0)
        dmpi_exam_failed(d->x, w, &err);
    else
        enter(d, i, dmpi_buf_str(&out));
}

static void dial_ports(size_t i, void *arg)
{
    struct dials *d = arg;
    const struct dmpi_mesh_worker *workers = d->x->mesh.workers;
    const char *const words[] = {"perl", "-e", dial_perl};
    struct dmpi_strv argv DMPI_AUTO(dmpi_strv_free) = DMPI_STRV_INIT;
    struct dmpi_buf out DMPI_AUTO(dmpi_buf_free) = DMPI_BUF_INIT(OUTPUT_MAX);
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_strv_add_array(&argv, words, DMPI_ARRAY_LEN(words));
    dmpi_strv_add(&argv, d->x->mesh.n > MEASURE_MAX ? "0" : "0.1");
    for (size_t k = 0; k + 1 < d->x->mesh.n; k++) {
        size_t to = other(d, i, k);
        if (!d->ports[to] || row(d, i)[k].error)
            continue;
        dmpi_strv_add(&argv, workers[to].alias);
        dmpi_strv_add(&argv, workers[to].addr);
        dmpi_strv_addf(&argv, "%d", d->ports[to]);
    }
    if (argv.n == DMPI_ARRAY_LEN(words) + 1)
        return;
    if (dmpi_exam_run(d->x, &workers[i], &argv, &out, NULL, &err) < 0)
        dmpi_exam_failed(d->x, &workers[i], &err);
    else
        enter(d, i, dmpi_buf_str(&out));
}

void dmpi_exam_network(struct dmpi_exam *x)
{
    size_t n = x->mesh.n, links = n * (n - 1);
    if (n < 2)
        return;
    struct dials d = {x, dmpi_xcalloc(links, sizeof *d.all), dmpi_xcalloc(n, sizeof *d.ports)};
    dmpi_parallel(n, DMPI_FLEET_WINDOW, dial_ssh, &d);
    dmpi_parallel(n, DMPI_FLEET_WINDOW, start_listener, &d);
    dmpi_parallel(n, DMPI_FLEET_WINDOW, dial_ports, &d);
    dmpi_dials_judge(x->report, d.all, links, &x->spec->ports);
    x->report->links = d.all;
    x->report->n_links = links;
    free(d.ports);
}
