// SPDX-License-Identifier: MIT
// debug: no (it is shell scripts that it runs)
// valgrind: no (it is shell scripts that it runs)
/* The shell files that run in the containers, with a folder of this test in place of /etc/dockmpi. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/ctl.h"
#include "base/io.h"
#include "base/mem.h"
#include "mesh/files.h"

static char dir[] = "/tmp/dockmpi-test-XXXXXX";

static void put_file(const char *name, const char *text)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_autofree char *path = dmpi_xasprintf("%s/%s", dir, name);

    if (dmpi_io_write_file_atomic(path, text, strlen(text), 0644, &err) != 0)
        fail_msg("%s", err.msg);
}

// The script with /etc/dockmpi replaced by the folder.
static void put_script(const char *name, const char *script)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(65536);
    const char *at;

    while ((at = strstr(script, DMPI_MESH_DIR))) {
        dmpi_buf_add(&out, script, (size_t)(at - script));
        dmpi_buf_adds(&out, dir);
        script = at + strlen(DMPI_MESH_DIR);
    }
    dmpi_buf_adds(&out, script);
    put_file(name, out.data);
}

// Runs a shell command in the folder; its output (both streams) and exit code (or 1000 + signal).
static char *run(const char *command, int *code)
{
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(8 << 20);
    dmpi_autofree char *line = dmpi_xasprintf("cd %s && { %s; } 2>&1", dir, command);
    FILE *f = popen(line, "r");
    char chunk[4096];
    size_t n;

    assert_non_null(f);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        dmpi_buf_add(&out, chunk, n);
    int status = pclose(f);
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    return dmpi_buf_steal(&out);
}

static void check(const char *command, int code, const char *output)
{
    int got = -1;
    dmpi_autofree char *out = run(command, &got);

    if (got != code || strcmp(out, output) != 0)
        fail_msg("%s\nexit %d, expected %d, output:\n%s", command, got, code, out);
}

static int set_up(void **state)
{
    (void)state;
    signal(SIGINT, SIG_DFL); // the engine starts a job so, and who started us may have it ignored
    if (!mkdtemp(dir) || setenv("DOCKMPI_TMP", dir, 1) != 0)
        return -1;
    put_script("rank", dmpi_mesh_rank_sh);
    put_script("daemon", dmpi_mesh_daemon_sh);
    put_script("run-job", dmpi_mesh_run_job_sh);
    put_script("end", dmpi_mesh_end_sh);
    return 0;
}

static int tear_down(void **state)
{
    dmpi_autofree char *line = dmpi_xasprintf("rm -rf %s", dir);
    FILE *f = popen(line, "r");

    (void)state;
    return f ? pclose(f) : -1;
}

static void test_rank_runs(void **state)
{
    (void)state;
    put_file("index", "0 cpu\n");
    put_file("env", "[ \"${A+x}\" ] || export A='it'\\''s $HOME'\n");
    check("sh rank printf '<%s>' 'a b' '$HOME' '' '*'", 0, "<a b><$HOME><><*>");
    check("sh rank sh -c 'echo $A'", 0, "it's $HOME\n");
    check("A=mine sh rank sh -c 'echo $A'", 0, "mine\n");
    check("first=1 want=2 rest=3 sh rank sh -c 'echo $first$want$rest'", 0, "123\n");
    check("sh rank -: printf '<%s>' :: ::: a:b '' '::x'", 0, "<:><::><a:b><><::x>");
    check("sh rank -g g4ad 3 A=1 -- false -g cpu 5 B='x y' C= -- printf '<%s>'", 0, "<>");
    check("sh rank -g cpu 7 B='x y' -- sh -c 'echo $B \"$1\"' s '*' -g g4ad 2 -- false", 0,
          "x y *\n");
    check("sh rank -: -g g4ad 2 -- ::: -g cpu 4 -- echo :: -g", 0, ": -g\n");
    check("sh rank -g g4ad 2 -- true", 93,
          "dockmpi: worker-0 has image cpu, which the job was not planned for\n");
    check("OMPI_MCA_mca_base_component_path=/usr/lib/pmix2/lib/pmix sh rank env | grep -c _path=",
          1, "0\n");
    check("PRTE_MCA_prte_launch_agent=\"sh $PWD/daemon prted\" "
          "OMPI_MCA_orte_launch_agent=\"sh $PWD/daemon orted\" sh rank env | grep -c launch_agent",
          1, "0\n");
    check("PRTE_MCA_prte_launch_agent=mine sh rank env | grep launch_agent", 0,
          "PRTE_MCA_prte_launch_agent=mine\n");
    check("sh daemon sh -c 'echo \"$LD_PRELOAD\" \"$1\"' s 'a b' 2>/dev/null", 0,
          "/usr/lib/dockmpi/guard.so a b\n");
    check("LD_PRELOAD=libc.so.6 sh daemon sh -c 'echo $LD_PRELOAD' 2>/dev/null", 0,
          "/usr/lib/dockmpi/guard.so:libc.so.6\n");
    check("OMPI_MCA_mca_base_component_path=/opt/mine sh rank env | grep _path=", 0,
          "OMPI_MCA_mca_base_component_path=/opt/mine\n");
#define TORCH "sh -c 'echo $RANK $WORLD_SIZE $LOCAL_RANK $LOCAL_WORLD_SIZE'"
#define OF_MPIRUN                                                                                  \
    "OMPI_COMM_WORLD_RANK=5 OMPI_COMM_WORLD_SIZE=6 OMPI_COMM_WORLD_LOCAL_RANK=1 "                  \
    "OMPI_COMM_WORLD_LOCAL_SIZE=2 "
    check(OF_MPIRUN "sh rank " TORCH, 0, "5 6 1 2\n");
    check(OF_MPIRUN "RANK=0 LOCAL_WORLD_SIZE=1 sh rank " TORCH, 0, "0 6 1 1\n");
    check(OF_MPIRUN "sh rank -g cpu 5 WORLD_SIZE=9 -- " TORCH, 0, "5 9 1 2\n");
    check("sh rank sh -c 'echo ${RANK-none}'", 0, "none\n");
    check("sh rank sh -c 'exit 7'", 7, "");
    check("sh rank sh -c 'set' | grep _d_ | grep -v '^_='", 1, "");
}

static void test_rank_place(void **state)
{
    static const struct {
        const char *index, *plan, *rank;
        int code;
    } cases[] = {
        {"0 cpu\n", "0-1:2", "0", 0},
        {"0 cpu\n", "0-1:2", "1", 0},
        {"0 cpu\n", "0-1:2", "2", 93},
        {"1 cpu\n", "0-1:2", "2", 0},
        {"1 cpu\n", "0-1:2", "3", 0},
        {"4 cpu\n", "0-3:2,4:1", "8", 0},
        {"3 cpu\n", "0-3:2,4:1", "8", 93},
        {"2 cpu\n", "2:1,0-1:3", "0", 0},
        {"1 cpu\n", "2:1,0-1:3", "4", 0},
        {"4095 cpu\n", "0-4095:8", "32767", 0},
        {"10 cpu\n", "9:1,10:1,12:2", "1", 0},
        {"12 cpu\n", "9:1,10:1,12:2", "3", 0},
        {"7 cpu\n", "", "5", 0},
    };

    (void)state;
    put_file("env", "");
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        dmpi_autofree char *command =
            dmpi_xasprintf("DOCKMPI_PLAN=%s OMPI_COMM_WORLD_RANK=%s sh rank true 2>/dev/null",
                           cases[i].plan, cases[i].rank);
        put_file("index", cases[i].index);
        check(command, cases[i].code, "");
    }
    put_file("index", "1 cpu\n");
    check("DOCKMPI_PLAN=0-1:1 OMPI_COMM_WORLD_RANK=0 sh rank true", 93,
          "dockmpi: rank 0 of 2 is on worker-1: planned was worker-0 in a world of 2\n");
    check("DOCKMPI_PLAN=0-1:1 OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=1 sh rank true", 93,
          "dockmpi: rank 1 of 1 is on worker-1: planned was worker-1 in a world of 2\n");
    check("DOCKMPI_PLAN=0-1:2 OMPI_COMM_WORLD_RANK=3 OMPI_COMM_WORLD_LOCAL_RANK=0 sh rank true "
          "2>/dev/null",
          93, "");
    check("DOCKMPI_PLAN=0-1:2 OMPI_COMM_WORLD_RANK=4 sh rank true", 93,
          "dockmpi: rank 4 of 4 is on worker-1: planned was worker-- in a world of 4\n");
}

// What a rank tells the job container; the process id and what this machine is called left out.
static void test_rank_tells(void **state)
{
    static const struct {
        const char *plan, *vars, *output;
    } cases[] = {
        {"0-1:2/mark", "RANK=3 SIZE=4 LOCAL_RANK=1", "dockmpi-mark 3 4 1 1 1 ok\nstarted 0-1:2\n"},
        {"0-1:2/mark", "RANK=2 SIZE=4 LOCAL_RANK=1", "dockmpi-mark 2 4 1 1 1 local\n"},
        {"0-1:2/mark", "RANK=3 SIZE=2 LOCAL_RANK=1", "dockmpi-mark 3 2 1 1 1 size\n"},
        {"0-1:2/mark", "RANK=1 SIZE=4 LOCAL_RANK=1", "dockmpi-mark 1 4 1 0 1 place\n"},
        {"0-1:1/mark", "RANK=7 SIZE=8 LOCAL_RANK=0", "dockmpi-mark 7 8 1 - 0 place\n"},
    };

    (void)state;
    put_file("index", "1 cpu\n");
    put_file("env", "");
    put_file("sleep", "#!/bin/sh\nexit 0\n"); // the rank's, until it is ended
    check("chmod 755 sleep", 0, "");
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        dmpi_autofree char *command = dmpi_xasprintf(
            "for v in %s; do export OMPI_COMM_WORLD_$v; done; export DOCKMPI_PLAN=%s; "
            "PATH=.:$PATH sh rank sh -c 'echo started $DOCKMPI_PLAN' 2>&1 | "
            "sed -E 's/^(dockmpi-mark( [^ ]+){5}) [0-9]+ [^ ]+ ([a-z]+) .+/\\1 \\3/'",
            cases[i].vars, cases[i].plan);
        check(command, 0, cases[i].output);
    }
    check("rm sleep", 0, "");
}

static void test_rank_refuses(void **state)
{
    (void)state;
    put_file("index", "3 g4dn\n");
    put_file("env", "");
    put_file("plain", "x\n");
    check("sh rank no-such-program x", 127,
          "dockmpi: no-such-program: not found in image g4dn on worker-3\n");
    check("sh rank ./gone", 127, "dockmpi: ./gone: not found in image g4dn on worker-3\n");
    check("printf '#! /opt/gone/python -u\\n' >odd && chmod +x odd && sh rank ./odd", 127,
          "dockmpi: ./odd: its first line names an interpreter that image g4dn does not have: "
          "/opt/gone/python\n");
    check("printf '#!/bin/sh\\r\\necho\\r\\n' >odd && sh rank ./odd", 127,
          "dockmpi: ./odd: its first line names an interpreter that image g4dn does not have: "
          "/bin/sh (its lines end as on Windows: dos2unix mends that)\n");
    check("printf '#!/bin/sh\\necho well\\n' >odd && sh rank ./odd; rm odd", 0, "well\n");
    check("sh rank ./plain", 126, "dockmpi: ./plain: not an executable file on worker-3\n");
    check("sh rank /tmp", 126, "dockmpi: /tmp: not an executable file on worker-3\n");
    check("rm index; sh rank true 2>/dev/null", 93, "");
}

static void test_job_codes(void **state)
{
    static const struct {
        const char *job, *output;
        int code;
    } cases[] = {
        {"true\n", "", 0},
        {"false\n", "", 1},
        {"exit 7\n", "", 7},
        {"exit 127\n", "", 127},
        {"kill -9 $$\n", "", 137},
        {"# Timeout: 0.5\nexec sleep 60\n",
         "dockmpi: the job's time of 0.5 s is over: its ranks have 0 s to end\n", 124},
        {"printf out; exit 3\n", "out", 3},
        {"echo PRTE has lost communication with a remote daemon. >&2\n",
         "PRTE has lost communication with a remote daemon.\n"
         "dockmpi: a worker was lost or not reached; `dockmpi doctor` examines nodes and links\n",
         255},
        {"echo PRTE has lost communication with a remote daemon. >&2; exit 255\n",
         "PRTE has lost communication with a remote daemon.\n"
         "dockmpi: a worker was lost or not reached; `dockmpi doctor` examines nodes and links\n",
         255},
        {"echo ORTE was unable to reliably start one or more daemons. >&2; exit 255\n",
         "ORTE was unable to reliably start one or more daemons.\n"
         "dockmpi: a worker was lost or not reached; `dockmpi doctor` examines nodes and links\n",
         255},
        {"echo ORTE has lost communication with a remote daemon. >&2; exit 4\n",
         "ORTE has lost communication with a remote daemon.\n", 4},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        put_file("job", cases[i].job);
        check("sh run-job", cases[i].code, cases[i].output);
    }
    check("ls -d dockmpi-job.* 2>/dev/null | wc -l | tr -d ' '", 0, "0\n");
}

// Started again as often as allowed, and no more than needed.
static void test_job_attempts(void **state)
{
    static const struct {
        const char *job, *output;
        int code;
    } cases[] = {
        {"# Job: 5\n# Restarts: 2\necho $DOCKMPI_ATTEMPT; [ $DOCKMPI_ATTEMPT = 2 ] || exit 7\n",
         "1\ndockmpi: attempt 1 of 3 ended with exit code 7: the next one begins in 1 s\n2\n", 0},
        {"# Restarts: 1\necho $DOCKMPI_RUN >run.$DOCKMPI_ATTEMPT; exit $((7 + DOCKMPI_ATTEMPT))\n",
         "dockmpi: attempt 1 of 2 ended with exit code 8: the next one begins in 1 s\n"
         "dockmpi: attempt 2 of 2 ended with exit code 9: there is no other\n",
         9},
        {"# Restarts: 5\nexit 127\n", "", 127},
        {"# Restarts: 5\ntrue\n", "", 0},
        // Who ends a job does not want another one.
        {"# Restarts: 5\n{ sleep 0.3; kill -TERM $DOCKMPI_OUTER; } &\nexec sleep 60\n", "", 143},
        {"# Restarts: 5\n{ sleep 0.3; kill -INT $DOCKMPI_OUTER; } &\nexec sleep 60\n", "", 130},
        {"# Restarts: 5\n# Timeout: 1\nexec sleep 60\n",
         "dockmpi: the job's time of 1 s is over: its ranks have 0 s to end\n", 124},
    };

    (void)state;
    put_file("hostfile", "worker-7 slots=1\n");
    put_file("ssh", "#!/bin/sh\necho \"$*\" >>asked\n");
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        put_file("job", cases[i].job);
        check("chmod 755 ssh; PATH=$PWD:$PATH sh -c 'export DOCKMPI_OUTER=$$; exec sh run-job'",
              cases[i].code, cases[i].output);
    }
    check("sort -u asked; rm asked ssh hostfile", 0,
          "-o ConnectTimeout=5 worker-7 true\nworker-7 sh -s all 0 5\n");
    check("cmp run.1 run.2 && test -s run.1 && rm run.1 run.2", 0, "");
    check("wc -c <dockmpi-attempts; rm dockmpi-attempts", 0, "9\n"); // a byte for each
    check("ls -d dockmpi-job.* 2>/dev/null | wc -l | tr -d ' '", 0, "0\n");
}

// A worker that was replaced gets the job's code as it was; one that does not answer is waited for. Each
// worker is a folder here, and worker-1 refuses as often as "down" has lines.
static void test_job_musters(void **state)
{
    static const char head[] =
        "# Job: 5\n# Cluster: c\n# Restarts: 1\n# Code: 'the work' 'my job'\n"
        "if [ $DOCKMPI_ATTEMPT = 1 ]; then\n"
        "rm -rf worker-1; mkdir worker-1\n"
        "echo result >'worker-0/the work/my job/result'\n";
    static const char tail[] =
        "exit 7\nfi\n"
        "cat 'worker-1/the work/my job/x'; ls -A 'worker-1/the work/my job'\n"
        "exit\n"
        "# Worker: 0 h0 dockmpi-c-worker-0 -\n"
        "# Worker: 1 h1 dockmpi-c-worker-1 -\n";
    static const char ended[] =
        "dockmpi: attempt 1 of 2 ended with exit code 7: the next one begins in 1 s\n";
    static const struct {
        const char *limit, *down, *says;
    } cases[] = {
        {"600", "", ""},
        {"600", "seq 3 >down\n",
         "dockmpi: worker-1: no answer; attempt 2 waits 600 s for a new one: run `dockmpi up "
         "--name "
         "c`, with the options that it had\n"},
    };

    (void)state;
    put_file("hostfile", "worker-0 slots=1\nworker-1 slots=1\n");
    put_file("ssh", "#!/bin/sh\n[ \"$1\" != -o ] || shift 2\n"
                    "[ \"$1\" = worker-0 ] || [ ! -s down ] || { sed -i 1d down; exit 255; }\n"
                    "cd \"$1\" && shift && exec sh -c \"$*\"\n");
    put_file("sleep", "#!/bin/sh\nexec /bin/sleep 0.05\n");
    check("chmod 755 ssh sleep; mkdir -p 'worker-0/the work/my job' worker-1; "
          "echo code >'worker-0/the work/my job/x'",
          0, "");
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        dmpi_autofree char *job = dmpi_xasprintf("%s%s%s", head, cases[i].down, tail);
        dmpi_autofree char *out = dmpi_xasprintf("%s%scode\nx\n", ended, cases[i].says);
        dmpi_autofree char *line =
            dmpi_xasprintf("DOCKMPI_REPAIR=%s PATH=$PWD:$PATH sh run-job", cases[i].limit);
        put_file("job", job);
        check(line, 0, out);
        check("rm 'worker-0/the work/my job/result'; ls -A worker-1/*", 0, "my job\n");
    }
    // It is not waited for without end.
    put_file("job", "# Restarts: 1\nseq 9 >down; exit 7\n");
    check("DOCKMPI_REPAIR=0 PATH=$PWD:$PATH sh run-job", 7,
          "dockmpi: attempt 1 of 2 ended with exit code 7: the next one begins in 1 s\n"
          "dockmpi: worker-1: no answer, attempt 2 begins all the same\n"
          "dockmpi: attempt 2 of 2 ended with exit code 7: there is no other\n");
    check("rm -r ssh sleep down hostfile worker-0 worker-1 dockmpi-attempts; ls dockmpi-code", 2,
          "ls: cannot access 'dockmpi-code': No such file or directory\n");
}

// A job that is ended before its next attempt does not wait for it: here the pause of a second takes long.
static void test_job_pause(void **state)
{
    static const char head[] =
        "dockmpi: attempt 1 of 3 ended with exit code 7: the next one begins in 1 s\n";
    static const char tail[] = "dockmpi: attempt 2 of 3 was not started any more\n";
    static const struct {
        const char *job, *says;
        int code;
    } cases[] = {
        {"kill -TERM $DOCKMPI_OUTER", "", 143},
        {"kill -INT $DOCKMPI_OUTER", "", 130},
        {"kill -HUP $DOCKMPI_OUTER", "", 129},
        {"kill -ALRM $DOCKMPI_OUTER", "dockmpi: the job's time of 60 s is over\n", 124},
    };

    (void)state;
    put_file("sleep", "#!/bin/sh\n"
                      "[ \"$1\" = 1 ] || exec /bin/sleep \"$@\"\n"
                      "/bin/sleep 30 >/dev/null 2>&1\n"
                      "echo waited >waited\n");
    check("chmod 755 sleep", 0, "");
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        dmpi_autofree char *job = dmpi_xasprintf(
            "# Restarts: 2\n# Timeout: 60\n"
            "(until [ -s pause ]; do sleep 0.05; done; cat pause >told; %s) >/dev/null 2>&1 &\n"
            "exit 7\n",
            cases[i].job);
        dmpi_autofree char *out = dmpi_xasprintf("%s%s%s", head, cases[i].says, tail);
        put_file("job", job);
        check("PATH=$PWD:$PATH sh -c 'export DOCKMPI_OUTER=$$; exec sh run-job'", cases[i].code,
              out);
        check("cat told; rm told; ls pause waited 2>/dev/null", 2, "2 3\n");
        check("readlink .dockmpi/ended && rm -r .dockmpi", 0, "asked\n");
    }
    check("rm sleep", 0, "");
}

// Which worker was lost, by what mpirun says and by what ssh meets there.
static void test_job_lost(void **state)
{
    static const char workers[] = "# Worker: 0 h0 dockmpi-c-worker-0 -\n"
                                  "# Worker: 1 h1 dockmpi-c-worker-1 -\n"
                                  "# Worker: 12 h2 dockmpi-c-worker-12 -\n";
    static const char named[] = "PRTE has lost communication with a remote daemon.\n"
                                "  Remote daemon: [prterun-x@0,2] on node %s\n";
    static const struct {
        const char *host, *ssh, *told;
    } cases[] = {
        {"dockmpi-c-worker-1", "echo port 2: Connection refused >&2; exit 255",
         "worker-1 on node h1 was lost: its container has ended"},
        {"worker-12", "echo 'Connection timed out during banner exchange' >&2; exit 255",
         "worker-12 on node h2 was lost: it does not answer, its network does: paused, or its host "
         "hangs"},
        {"my-worker-5-worker-0", "echo 'ssh: connect: No route to host' >&2; exit 255",
         "worker-0 on node h0 was lost: its host does not answer: off, the network cut, or a "
         "firewall between; `dockmpi doctor --name c` tells"},
        {"worker-0", "echo '$(reboot)' >&2; exit 255",
         "worker-0 on node h0 was lost: ssh is not let in"},
        {"worker-0", "exit 0",
         "worker-0 on node h0 was lost: its launch daemon has ended or lost its connection; the "
         "worker itself answers"},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        dmpi_autofree char *said = dmpi_xasprintf(named, cases[i].host);
        dmpi_autofree char *job =
            dmpi_xasprintf("# x\n# Cluster: c\ncat >&2 <<'.'\n%s.\nexit 255\n%s", said, workers);
        dmpi_autofree char *ssh = dmpi_xasprintf("#!/bin/sh\n%s\n", cases[i].ssh);
        dmpi_autofree char *out = dmpi_xasprintf("%sdockmpi: %s\n", said, cases[i].told);
        put_file("job", job);
        put_file("ssh", ssh);
        check("chmod 755 ssh; PATH=.:$PATH sh run-job", 255, out);
    }
    // Open MPI 4.1 names none, or a wrong one: all are asked.
    dmpi_autofree char *job = dmpi_xasprintf(
        "# x\necho ORTE was unable to reliably start one or more daemons. >&2\nexit 255\n%s",
        workers);
    put_file("job", job);
    put_file("ssh", "#!/bin/sh\n[ \"$5\" != worker-1 ] || { echo refused >&2; exit 255; }\n");
    check("chmod 755 ssh; PATH=.:$PATH sh run-job", 255,
          "ORTE was unable to reliably start one or more daemons.\n"
          "dockmpi: worker-1 on node h1 was lost: its container has ended\n");
    // Signed connections that the network does not let through: all workers answer, and no rank has come.
    static const char hint[] =
        "dockmpi: a worker was lost or not reached; `dockmpi doctor` examines nodes and links\n"
        "dockmpi: no rank had come; mpirun and its daemons sign their connections: where the "
        "network between the nodes rewrites addresses or drops TCP options, \"--mca "
        "prte_launch_agent prted\" does without (SECURITY.md)\n";
    static const struct {
        const char *rank;
        int mpirun, code;
        const char *told;
    } signs[] = {{"", 1, 255, hint},
                 {"echo dockmpi-$DOCKMPI_WORLD 0 1 0 0 0 7 - ok h >&2\nsleep 0.5\n", 1, 1, ""}};
    put_file("ssh", "#!/bin/sh\nexit 0\n");
    for (size_t i = 0; i < DMPI_ARRAY_LEN(signs); i++) {
        dmpi_autofree char *guarded = dmpi_xasprintf(
            "# x\n# Ranks: 1\n# Plan: 0:1\nexport LD_PRELOAD=/usr/lib/dockmpi/guard.so\n"
            "unset LD_PRELOAD\n%secho ORTE was unable to reliably start one or more daemons. "
            ">&2\nexit %d\n%s",
            signs[i].rank, signs[i].mpirun, workers);
        dmpi_autofree char *out = dmpi_xasprintf(
            "ORTE was unable to reliably start one or more daemons.\n%s", signs[i].told);
        put_file("job", guarded);
        check("chmod 755 ssh; PATH=.:$PATH sh run-job", signs[i].code, out);
    }
    check("rm ssh", 0, "");
}

static void test_job_streams(void **state)
{
    (void)state;
    put_file("job", "echo out; echo err >&2\n");
    check("sh run-job 2>/dev/null", 0, "out\n");
    check("sh run-job 2>&1 >/dev/null", 0, "err\n");
    put_file("job", "head -c 3000000 /dev/zero | tr '\\0' x; head -c 3000000 /dev/zero >&2\n");
    check("sh run-job 2>/dev/null | wc -c | tr -d ' '", 0, "3000000\n");
    check("sh run-job 2>&1 >/dev/null | wc -c | tr -d ' '", 0, "3000000\n");
}

// The worker is this machine, behind a ssh that ends in a local shell.
// A limit on the size of files stands for the disk: what is beyond cannot be written.
static void test_job_disk_full(void **state)
{
    (void)state;
    put_file("job", "seq 1 100000 2>/dev/null; exit 0\n");
    check(
        "(trap '' XFSZ; ulimit -f 64; sh run-job 2>&1 >/dev/null)", 125,
        "dockmpi: the disk of the launcher's node is full: the job's output is not complete; free "
        "some space there (`docker system df` shows what Docker holds)\n");
    put_file("job", "seq 1 100000 2>/dev/null; exit 7\n");
    check("(trap '' XFSZ; ulimit -f 64; sh run-job 2>/dev/null >/dev/null)", 7, "");
}

static void test_job_stdin(void **state)
{
    (void)state;
    put_file("hostfile", "worker-0 slots=1\n");
    put_file("index", "0 cpu\n");
    put_file("env", "");
    put_file("ssh", "#!/bin/sh\nshift\nexec sh -c \"$1\"\n");
    check("chmod 755 ssh", 0, "");
    put_file("job", "# x\n# Reads standard input.\nexec sh rank cat </dev/null\n");
    check("[ \"$(seq 100000 | PATH=.:$PATH sh run-job | cksum)\" = \"$(seq 100000 | cksum)\" ]", 0,
          "");
    check("PATH=.:$PATH sh run-job </dev/null", 0, "");
    put_file("job", "# x\n# Reads standard input.\nexec sh rank true </dev/null\n");
    check("seq 100000 | PATH=.:$PATH sh run-job", 0, ""); // which nobody reads
    put_file("job", "# x\n# Reads standard input.\nexit 3\n");
    check("seq 100000 | PATH=.:$PATH sh run-job", 3, ""); // and nobody comes to read
    put_file("job", "# x\n# y\nexec cat\n");
    check("echo unasked | PATH=.:$PATH sh run-job", 0, "");
    // What was cut off is cleared away by the watcher on the worker, soon.
    check("for i in 1 2 3 4 5 6 7 8 9; do ls dockmpi-job.* >/dev/null 2>&1 || break; sleep 1; "
          "done; ls -d dockmpi-job.* 2>/dev/null | wc -l | tr -d ' '",
          0, "0\n");
}

#define HEAD "# x\n# Cluster: c\n# Ranks: 2\n# Plan: 0-1:1\n"
#define TAIL "# Worker: 0 here c0 -\n# Worker: 1 there c1 -\n"
#define RANK(words) "echo \"dockmpi-$DOCKMPI_WORLD " words "\" >&2\n"
#define RANK0 RANK("0 2 0 0 0 11 - ok h0")
#define RANK1 RANK("1 2 1 1 0 12 - ok h1")
#define PLAN                                                                                       \
    ". `dockmpi run --dry-run --name c` shows the plan; see which mpirun the launcher's image "    \
    "has\n"

// mpirun is played by the job's text; a world that is wrong would hold for a minute.
static void test_job_world(void **state)
{
    static const struct {
        const char *job, *output;
        int code;
    } cases[] = {
        {HEAD RANK0 RANK1 "echo e >&2; exit 3\n" TAIL, "e\n", 3},
        {HEAD "echo a >&2\n" RANK1 "printf b >&2\n" RANK0 "printf c >&2\n", "a\nbc", 0},
        {HEAD "# Map: text\n" RANK1 RANK0 "echo e >&2\n" TAIL,
         "RANK  NODE   WORKER       CONTAINER  HOSTNAME   LOCAL      PID  GPUS\n"
         "0     here   worker-0     c0         h0             0       11  -\n"
         "1     there  worker-1     c1         h1             0       12  -\ne\n",
         0},
        {HEAD "# Map: json\n" RANK1 RANK("0 2 0 0 0 11 nvidia0,nvidia1 ok h0") TAIL,
         "{\"map\": [{\"rank\": 0, \"node\": \"here\", \"worker\": \"worker-0\", \"container\": "
         "\"c0\", \"host\": \"h0\", \"local_rank\": 0, \"pid\": 11, \"gpus\": "
         "\"nvidia0,nvidia1\"}, "
         "{\"rank\": 1, \"node\": \"there\", \"worker\": \"worker-1\", \"container\": \"c1\", "
         "\"host\": \"h1\", \"local_rank\": 0, \"pid\": 12, \"gpus\": \"\"}]}\n",
         0},
        // all on one worker
        {HEAD RANK0 RANK("1 2 0 1 1 12 - place h0") "exec sleep 60\n" TAIL,
         "dockmpi: the job was ended: rank 1 is on worker-0 of node here, planned on worker-1 of "
         "node there; all 2 ranks are on worker-0 of node here" PLAN,
         125},
        {HEAD RANK("0 2 launcher 0 0 11 - place h0") RANK1 "exec sleep 60\n" TAIL,
         "dockmpi: the job was ended: rank 0 is in the launcher, planned on worker-0 of node "
         "here" PLAN,
         125},
        {HEAD RANK("0 1 0 0 0 11 - size h0") "exec sleep 60\n" TAIL,
         "dockmpi: the job was ended: mpirun made a world of size 1, 2 ranks were asked for" PLAN,
         125},
        {HEAD RANK("0 3 0 0 0 11 - size h0") RANK("1 3 1 1 0 11 - size h0")
             RANK("2 3 1 - 1 11 - place h0") "exec sleep 60\n" TAIL,
         "dockmpi: the job was ended: mpirun made a world of size 3, 2 ranks were asked for" PLAN,
         125},
        {HEAD RANK0 RANK0 "exec sleep 60\n" TAIL,
         "dockmpi: the job was ended: rank 0 came twice; all 2 ranks are on worker-0 of node "
         "here" PLAN,
         125},
        {HEAD RANK0 RANK("1 2 1 1 4 12 - local h1") "exec sleep 60\n" TAIL,
         "dockmpi: the job was ended: rank 1 is number 4 on worker-1 of node there, which was not "
         "planned" PLAN,
         125},
        // a rank that never came: mpirun is content, or waits
        {HEAD RANK0 TAIL,
         "dockmpi: the job was ended: mpirun answered 0, but rank 1, planned on worker-1 of node "
         "there, has not come; 1 of 2 ranks have\n",
         125},
        {HEAD RANK0 "exit 7\n" TAIL, "", 7}, // mpirun has told why
        // GPUs
        {HEAD "# Gpus: yes\n" RANK("0 2 0 0 0 11 nvidia0 ok h0") RANK1
         "exec sleep 60\n# Worker: 0 here c0 nvidia\n# Worker: 1 there c1 amd\n",
         "dockmpi: the job was ended: rank 1 sees no GPU on worker-1 of node there" PLAN, 125},
        {HEAD "# Gpus: yes\n" RANK("0 2 0 0 0 11 nvidia0 ok h0")
             RANK("1 2 1 1 0 12 renderD128 ok h1") "exit 0\n# Worker: 0 here c0 nvidia\n# Worker: "
                                                   "1 there c1 amd\n",
         "", 0},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        put_file("job", cases[i].job);
        check("sh run-job", cases[i].code, cases[i].output);
    }
}

// The patience with a rank that does not come begins, here, when the other has.
static void test_job_waits_for_ranks(void **state)
{
    (void)state;
    put_file("sleep", "#!/bin/sh\n"
                      "[ \"$1\" = 120 ] || exec /bin/sleep \"$@\"\n"
                      "until grep -qs . dockmpi-job.*/came; do /bin/sleep 0.05; done\n"
                      "exec /bin/sleep 0.2\n");
    put_file("job", HEAD RANK1 "exec sleep 60\n" TAIL);
    check(
        "chmod 755 sleep; PATH=$PWD:$PATH sh run-job; code=$?; rm sleep; exit $code", 125,
        "dockmpi: the job was ended: rank 0, planned on worker-0 of node here, has not come; 1 of "
        "2 ranks have. `dockmpi doctor --name c` looks at the nodes\n");
}

#define VHEAD(wanted) HEAD "# Verify: " wanted " ./mpirun\n" RANK0 RANK1
#define REPORT(on, off)                                                                            \
    "echo 'Host 0 [a] ranks 0'; echo 'Host 1 [b] ranks 1'; echo; echo 'Connection summary: "       \
    "(pml)'\n"                                                                                     \
    "echo '  on-host:  all connections are " on "'; echo '  off-host: all connections are " off    \
    "'; echo\n"
#define UHEAD HEAD "# Verify: ucx ./mpirun\n# Ucc: yes\n" RANK0 RANK1
#define WITH_UCC(rank)                                                                             \
    "echo '[c" rank ":01] coll_ucc_module.c:381 - mca_coll_ucc_init_ctx() initialized ucc "        \
    "context' >&2\n"
#define NO_UCC(rank)                                                                               \
    "echo 'UCC  ERROR proc info collision: 0 1' >&2; echo '[c" rank                                \
    ":01] Error: coll_ucc_module.c:359 - mca_coll_ucc_init_ctx() UCC context create failed' >&2\n"
#define SELECTED(rank, pml)                                                                        \
    "echo '[c" rank ":01] mca: base: components_open: opening pml components' >&2\n"               \
    "echo '[c" rank ":01] select: component " pml " selected' >&2\n"

// What Open MPI says of its transports, as its two generations do.
static void test_job_transport(void **state)
{
    static const char told[] = "dockmpi: transport by Open MPI's own report: ";
    static const struct {
        const char *version, *job, *output;
        int code;
    } cases[] = {
        {"5.0.7", VHEAD("any") "echo a\n" REPORT("self", "tcp") "echo b\n",
         "a\nb\n%sself inside a "
         "worker, tcp between workers\n",
         0},
        {"5.0.7",
         VHEAD("ucx") REPORT("ucx=sysv;memory,tcp;lo", "ucx=tcp;eth0") "echo b; echo; echo\n",
         "b\n\n\n%sucx (sysv/memory, tcp/lo) inside a worker, ucx (tcp/eth0) between workers\n", 0},
        {"5.0.7", VHEAD("ob1") REPORT("self", "n/a"), "%sself inside a worker\n", 0},
        {"5.0.7", VHEAD("any") "printf x\n",
         "xdockmpi: no transport was told: the program has not "
         "called MPI_Init\n",
         0},
        {"5.0.7", VHEAD("ucx") "exit 4\n", "", 4},
        {"5.0.7", VHEAD("ucx") "true\n",
         "dockmpi: the job was ended: the job was to use pml ucx, but Open MPI told of no "
         "transport: the program did not use this MPI\n",
         125},
        {"5.0.7", VHEAD("ucx") REPORT("self", "tcp") "exec sleep 60\n",
         "dockmpi: the job was ended: the job was to use pml ucx, but Open MPI uses self inside a "
         "worker, tcp between workers\n",
         125},
        {"5.0.7", VHEAD("ob1") REPORT("ucx=self;memory", "n/a") "exec sleep 60\n",
         "dockmpi: the job was ended: the job was to use pml ob1, but Open MPI uses ucx "
         "(self/memory) inside a worker\n",
         125},
        {"5.0.7",
         VHEAD("any") "echo 'Host 0 [a] ranks 0'; echo; echo 'Connection summary: (pml)'\n"
                      "echo '  on-host:  all connections are self'\n"
                      "echo '  off-host: all connections are n/a'; exec sleep 60\n",
         "dockmpi: the job was ended: Open MPI made a world of size 1, 2 ranks were asked for\n",
         125},
        // Collectives by UCC, as each rank's component tells.
        {"5.0.7",
         UHEAD WITH_UCC("0") REPORT("ucx=self", "ucx=tcp") "echo b; echo c >&2\n" WITH_UCC("1"),
         "b\nc\ndockmpi: collectives by UCC in all 2 ranks, by Open MPI's own report\n"
         "%sucx (self) inside a worker, ucx (tcp) between workers\n",
         0},
        {"5.0.7", UHEAD WITH_UCC("0") NO_UCC("1") "exec sleep 60\n",
         "UCC  ERROR proc info collision: 0 1\n"
         "dockmpi: the job was ended: the job was to use UCC for its collectives, but Open MPI "
         "does "
         "without: UCC says \"proc info collision: 0 1\"\n",
         125},
        {"5.0.7", UHEAD REPORT("ucx=self", "ucx=tcp"),
         "dockmpi: the job was ended: the job was to use UCC for its collectives, but Open MPI "
         "told "
         "of none\n"
         "%sucx (self) inside a worker, ucx (tcp) between workers\n",
         125},
        {"5.0.7", HEAD "# Ucc: yes\n" RANK0 RANK1 NO_UCC("1"),
         "UCC  ERROR proc info collision: 0 1\n[c1:01] Error: coll_ucc_module.c:359 - "
         "mca_coll_ucc_init_ctx() UCC context create failed\n"
         "dockmpi: the job was to use UCC for its collectives, but Open MPI does without: UCC says "
         "\"proc info collision: 0 1\"; --verify would have ended it\n",
         0},
        {"4.1.4", VHEAD("any") SELECTED("0", "ob1") SELECTED("1", "ob1") "echo e >&2\n",
         "%spml ob1\ne\n", 0},
        {"4.1.4", VHEAD("ucx") SELECTED("0", "ucx") SELECTED("1", "ucx"), "%spml ucx\n", 0},
        {"4.1.4", VHEAD("cm") SELECTED("0", "ob1") SELECTED("1", "ob1") "exec sleep 60\n",
         "dockmpi: the job was ended: the job was to use pml cm, but Open MPI uses pml ob1\n", 125},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        dmpi_autofree char *mpirun =
            dmpi_xasprintf("#!/bin/sh\necho 'mpirun (Open MPI) %s'\n", cases[i].version);
        const char *mark = strstr(cases[i].output, "%s");
        dmpi_autofree char *want = mark ? dmpi_xasprintf("%.*s%s%s", (int)(mark - cases[i].output),
                                                         cases[i].output, told, mark + 2)
                                        : dmpi_xstrdup(cases[i].output);
        put_file("mpirun", mpirun);
        put_file("job", cases[i].job);
        // Both streams go to one place: the job's own first. Two processes write the other one.
        check("chmod 755 mpirun; sh run-job 2>err; code=$?; LC_ALL=C sort err; exit $code",
              cases[i].code, want);
    }
}

// Starts run-job the way the engine does, waits for the job's first output, sends the signal. Returns
// the exit code; sets how long it took from then on.
static int stop_job(int signal_number, int64_t *took_ms)
{
    dmpi_autofree char *out = dmpi_xasprintf("%s/out", dir);
    struct timespec moment = {.tv_nsec = 20000000};
    struct stat st;
    int status = 0;

    unlink(out);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(out, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        if (chdir(dir) == 0)
            execl("/bin/sh", "sh", "run-job", (char *)NULL);
        _exit(126);
    }
    for (int i = 0; i < 6000 && (stat(out, &st) != 0 || st.st_size == 0); i++)
        nanosleep(&moment, NULL);
    int64_t start = dmpi_now_ms();
    assert_int_equal(kill(pid, signal_number), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    *took_ms = dmpi_now_ms() - start;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#define LASTS "echo up; while :; do sleep 0.1; done\n"

// The job is asked once, then made to end; the answer tells by which request.
static void test_job_stops(void **state)
{
    static const struct {
        const char *job;
        int signal_number, code;
        int64_t least_ms; // the patience with one that does not listen
    } cases[] = {
        {"trap 'echo >heeded; exit 1' TERM; " LASTS, SIGTERM, 143, 0},
        {"trap 'echo >heeded; exit 1' TERM; " LASTS, SIGINT, 130, 0},
        {"trap 'echo >heeded; exit 0' TERM; " LASTS, SIGTERM, 143, 0},
        {"trap 'echo >heeded; exit 3' TERM; " LASTS, SIGTERM, 143, 0},
        {"trap 'echo >heeded; exit 3' TERM; " LASTS, SIGALRM, 124, 0},
        {"trap 'echo >heeded; exit 9' USR1; " LASTS, SIGUSR1, 9, 0},
        {"trap '' TERM; " LASTS, SIGTERM, 143, 4500},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        int64_t took = 0;

        put_file("job", cases[i].job);
        int code = stop_job(cases[i].signal_number, &took);
        if (code != cases[i].code || took < cases[i].least_ms)
            fail_msg("case %zu: exit %d after %lld ms", i, code, (long long)took);
        check("ls heeded 2>/dev/null; rm -f heeded", 0, cases[i].least_ms > 0 ? "" : "heeded\n");
        // What only passes a signal on is not asked to end.
        check("[ ! -L .dockmpi/ended ] || readlink .dockmpi/ended; rm -rf .dockmpi", 0,
              cases[i].signal_number == SIGUSR1 ? "" : "asked\n");
    }
}

// The processes of one job and no others, by real processes of this machine: the numbers are ours alone.
static void test_end(void **state)
{
    // Who is asked when the script runs must have its environment, and its trap, already.
    static const char wait[] =
        "until [ \"$(cat up 2>/dev/null | wc -l)\" -ge $n ]; do sleep 0.05; done; "
        "until [ \"$(grep -lsEz \"^DOCKMPI_(JOB|DAEMON)=${j}0?\\$\" /proc/[0-9]*/environ | wc "
        "-l)\" "
        "$m ]; do sleep 0.05; done; ";
    static const struct {
        // $j: the job, $n: lines that come into `up` when all is ready, $m: test of how many processes there are then
        const char *start;
        const char *run, *output;
    } cases[] = {
        {"n=0 m='-eq 0'", "sh end ranks 0 $j", "ended 0 0\n0\n"},
        {"n=0 m='-eq 1'; DOCKMPI_JOB=$j sleep 71 & DOCKMPI_JOB=${j}1 sleep 1.5 & DOCKMPI_JOB=x$j "
         "sleep 1.5 &",
         "sh end ranks 5000 $j", "ended 1 1\n0\n"},
        {"n=0 m='-eq 2'; DOCKMPI_JOB=$j sleep 71 & DOCKMPI_JOB=${j}0 sleep 71 &",
         "sh end all 0 $j ${j}0", "ended 2 0\n0\n"},
        {"n=1 m='-ge 1'; DOCKMPI_JOB=$j sh -c 'trap \"sleep 0.5; echo saved; exit\" TERM; echo "
         ">up; "
         "while :; do sleep 0.1; done' &",
         "sh end ranks 30000 $j >end.out; wait; sed 's/[1-9][0-9]*/N/g' end.out",
         "saved\nended N N\n0\n"},
        {"n=1 m='-ge 1'; DOCKMPI_JOB=$j sh -c 'trap \"\" TERM; echo >up; exec sleep 71' &",
         "sh end ranks 300 $j", "ended 1 0\n0\n"},
        {"n=1 m='-ge 1'; DOCKMPI_JOB=$j sh -c 'trap \"echo heeded; exit\" TERM; echo >up; kill -s "
         "STOP $$; "
         "sleep 71' &",
         "sh end ranks 30000 $j | sed 's/[1-9][0-9]*/N/g'; wait", "heeded\nended N N\n0\n"},
        {"n=1 m='-eq 1'; DOCKMPI_JOB=$j setsid sh -c 'sh -c \"echo >up; exec sleep 71\" & exit' &",
         "sh end ranks 5000 $j", "ended 1 1\n0\n"},
        {"n=0 m='-eq 1'; DOCKMPI_DAEMON=$j sleep 71 &", "sh end ranks 5000 $j && kill $!",
         "ended 0 0\n0\n"},
        {"n=0 m='-eq 1'; DOCKMPI_DAEMON=$j sleep 71 &", "sh end all 5000 $j", "ended 1 0\n0\n"},
    };

    (void)state;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(cases); i++) {
        // The shell remarks on jobs that were killed.
        dmpi_autofree char *command =
            dmpi_xasprintf("rm -f up; j=%d77%zu; { %s\n%s %s; echo $?; } 2>/dev/null",
                           (int)getpid(), i, cases[i].start, wait, cases[i].run);
        check(command, 0, cases[i].output);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rank_runs),
        cmocka_unit_test(test_rank_place),
        cmocka_unit_test(test_rank_refuses),
        cmocka_unit_test(test_job_codes),
        cmocka_unit_test(test_job_lost),
        cmocka_unit_test(test_job_streams),
        cmocka_unit_test(test_job_musters),
        cmocka_unit_test(test_job_attempts),
        cmocka_unit_test(test_job_pause),
        cmocka_unit_test(test_job_stdin),
        cmocka_unit_test(test_job_disk_full),
        cmocka_unit_test(test_job_stops),
        cmocka_unit_test(test_rank_tells),
        cmocka_unit_test(test_job_world),
        cmocka_unit_test(test_job_transport),
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_job_waits_for_ranks),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
