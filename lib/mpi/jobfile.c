// SPDX-License-Identifier: MIT
#include "mpi/jobfile.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/shquote.h"
#include "spec/plan.h"

#define JOB_MAX (16U << 20)

// Whether mpirun itself is asked to arrange the output (--output, --tag-output and the like).
static bool arranges_output(const struct dmpi_mpi_job *job)
{
    for (size_t i = 0; i < job->n_groups; i++) {
        const struct dmpi_strv *args = &job->groups[i].mpirun_args;

        for (size_t j = 0; j < args->n; j++) {
            if (strstr(args->v[j], "output") && args->v[j][0] == '-')
                return true;
        }
    }
    return false;
}

// Where the launcher image has it: writes the ranks' output in place of PMIx 5.0, which mixes the lines
// of different ranks and takes hours for megabytes without a newline.
#define OUTPUT_LIB "/usr/lib/dockmpi/output.so"

// What the command sets an MCA parameter to, as `--mca NAME VALUE` or as the variable that stands for it in
// a mixed cluster; NULL: nothing. Borrowed from the command.
static const char *mca_value(const struct dmpi_mpi_command *command, const char *name)
{
    const struct dmpi_strv *argv = &command->argv;
    dmpi_autofree char *variable = dmpi_xasprintf("OMPI_MCA_%s=", name);
    size_t len = strlen(variable);

    for (size_t i = 0; i < argv->n; i++) {
        if (strcmp(argv->v[i], "--mca") == 0 && i + 2 < argv->n &&
            strcmp(argv->v[i + 1], name) == 0)
            return argv->v[i + 2];
        if (strncmp(argv->v[i], variable, len) == 0)
            return argv->v[i] + len;
        if (strcmp(argv->v[i], DMPI_MESH_DIR "/rank") == 0 && i + 1 < argv->n &&
            strcmp(argv->v[i + 1], "-g") != 0 && strcmp(argv->v[i + 1], "-:") != 0)
            return NULL; // the program's own arguments
    }
    return NULL;
}

// The point-to-point layer that the job is to use; "any" where Open MPI may choose.
static const char *wanted_pml(const struct dmpi_mpi_command *command)
{
    const char *pml = mca_value(command, "pml");

    // Exclusions and lists leave the choice to Open MPI.
    return pml && *pml && !strpbrk(pml, "^, \n") ? pml : "any";
}

static bool wants_ucc(const struct dmpi_mpi_command *command)
{
    const char *enable = mca_value(command, "coll_ucc_enable");

    return enable && (strcmp(enable, "1") == 0 || strcmp(enable, "true") == 0);
}

// The code as words of the shell. A name with the end of a line would end the comment.
static void add_restarts(struct dmpi_buf *out, const struct dmpi_mpi_job *job)
{
    dmpi_buf_addf(out, "# Restarts: %d\n", job->restarts);
    if (!job->code || !job->workdir || strpbrk(job->code, "\r\n") || strpbrk(job->workdir, "\r\n"))
        return;
    dmpi_autofree char *workdir = dmpi_shquote(job->workdir), *code = dmpi_shquote(job->code);
    dmpi_buf_addf(out, "# Code: %s %s\n", workdir, code);
}

// What run-job must know to see whether the ranks are where they were planned. Nothing where mpirun
// arranges the output, because their lines about themselves may go anywhere then.
static void add_head(struct dmpi_buf *out, const struct dmpi_mpi_command *command,
                     const struct dmpi_mpi_job *job)
{
    dmpi_buf_adds(out, "# Written by dockmpi.\n");
    if (job->has_stdin)
        dmpi_buf_adds(out, "# Reads standard input.\n");
    if (job->restarts)
        add_restarts(out, job);
    if (job->id)
        dmpi_buf_addf(out, "# Job: %s\n# Grace: %lld\n", job->id, (long long)job->grace_ms);
    if (job->cluster)
        dmpi_buf_addf(out, "# Cluster: %s\n", job->cluster);
    if (job->timeout_ms)
        dmpi_buf_addf(out, "# Timeout: %g\n", (double)job->timeout_ms / 1000);
    if (arranges_output(job))
        return;
    dmpi_buf_addf(out, "# Ranks: %d\n# Plan: %s\n", command->np, command->plan);
    if (job->map)
        dmpi_buf_addf(out, "# Map: %s\n", job->map);
    if (job->verify)
        dmpi_buf_addf(out, "# Verify: %s %s\n", wanted_pml(command), command->argv.v[0]);
    if (wants_ucc(command))
        dmpi_buf_adds(out, "# Ucc: yes\n");
    for (size_t i = 0; i < job->n_groups; i++) {
        if (job->groups[i].gpu != DMPI_GPU_NONE) {
            dmpi_buf_adds(out, "# Gpus: yes\n");
            break;
        }
    }
}

// At the end, where a shell need not read them unless they are wanted.
static void add_workers(struct dmpi_buf *out, const struct dmpi_mpi_job *job,
                        const struct dmpi_layout *layout)
{
    for (size_t i = 0; i < layout->n; i++) {
        const struct dmpi_mesh_worker *w = layout->places[i].worker;
        const struct dmpi_mpi_group *g = dmpi_mpi_group_of(job, w->profile);
        const char *gpu = g && g->gpu != DMPI_GPU_NONE ? dmpi_gpu_name(g->gpu) : "-";
        dmpi_autofree char *container =
            dmpi_container_name(job->cluster ? job->cluster : "", DMPI_WORKER, w->index);

        dmpi_buf_addf(out, "# Worker: %d %s %s %s\n", w->index, w->node, container, gpu);
    }
}

// Who tags the lines is the library; an image without it, or with an older one, is refused.
static void add_tags(struct dmpi_buf *out, const struct dmpi_mpi_job *job)
{
    const char *refusal =
        "dockmpi: --tag and --output need Open MPI 5 and a launcher of the present image: "
        "`dockmpi image build launcher`, then `dockmpi up` as before";

    if (arranges_output(job))
        refusal = "dockmpi: --tag and --output: the image has mpirun itself arrange the output";
    dmpi_buf_addf(out,
                  "if %s ! grep -qs DOCKMPI_TAG " OUTPUT_LIB "; then\n"
                  "    echo '%s' >&2\n"
                  "    exit 125\n"
                  "fi\n"
                  "export DOCKMPI_TAG=\"dockmpi-${DOCKMPI_WORLD:-none} \"\n",
                  arranges_output(job) ? "true ||" : "", refusal);
}

char *dmpi_jobfile(const struct dmpi_mpi_command *command, const struct dmpi_mpi_job *job,
                   const struct dmpi_layout *layout)
{
    struct dmpi_buf out = DMPI_BUF_INIT(JOB_MAX);
    dmpi_autofree char *words = dmpi_shquote_argv(&command->argv);
    dmpi_autofree char *mpirun = dmpi_shquote(command->argv.v[0]);

    add_head(&out, command, job);
    dmpi_buf_addf(&out,
                  "if ! command -v %s >/dev/null; then\n"
                  "    echo dockmpi: %s: not found in the image of the launcher >&2\n"
                  "    exit 127\n"
                  "fi\n",
                  mpirun, mpirun);
    for (size_t i = 0; i < command->env.n; i++) {
        const char *entry = command->env.v[i];
        size_t len = strcspn(entry, "=");
        dmpi_autofree char *value = dmpi_shquote(entry + len + 1);

        dmpi_buf_addf(&out, "export %.*s=%s\n", (int)len, entry, value);
    }
    if (job->tag)
        add_tags(&out, job);
    dmpi_buf_adds(&out, "DOCKMPI_PLAN=$DOCKMPI_PLAN${DOCKMPI_WORLD:+/$DOCKMPI_WORLD}\n"
                        "unset DOCKMPI_WORLD\n");
    if (!arranges_output(job))
        dmpi_buf_adds(&out, "[ ! -r " OUTPUT_LIB " ] || "
                            "export LD_PRELOAD=" OUTPUT_LIB "${LD_PRELOAD:+:$LD_PRELOAD}\n");
    dmpi_buf_addf(&out, "exec %s </dev/null\n", words);
    add_workers(&out, job, layout);
    return dmpi_buf_steal(&out);
}
