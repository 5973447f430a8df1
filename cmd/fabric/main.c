// SPDX-License-Identifier: MIT
// fabric: what the network and the hardware of a container can do. Runs inside the images.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "probe.h"

#define USAGE 2

static const char help[] =
    "usage: fabric probe [--full] [--python PROGRAM]\n"
    "           what is there, as JSON: interfaces, GPUs, UCX, Open MPI, UCC, NCCL, PyTorch\n"
    "       mpirun ... fabric bench [OPTION]... [TEST]...\n"
    "           measures latency bw bibw (between two ranks), allreduce allgather barrier (all)\n"
    "  --sizes LIST     such as 1:4M (the default), or 8,1K:64K; for all tests but barrier\n"
    "  --memory KIND    host (the default), cuda, hip, or gpu: whichever a rank has\n"
    "  --seconds T      most time for one size of one test (0.5)\n"
    "  --window N       messages in flight for bw and bibw (64)\n"
    "  --no-check       do not look at the data that arrive\n"
    "  --json           one object a line\n"
    "Exit code 1: it could not be measured, or data arrived wrong.\n";

static int usage(const char *what, const char *value)
{
    fprintf(stderr, "fabric: %s%s%s (see fabric --help)\n", what, value ? ": " : "",
            value ? value : "");
    return USAGE;
}

static int known_tests(char *const *names)
{
    for (; *names; names++) {
        const char *const *known = fab_test_names();
        while (*known && strcmp(*known, *names) != 0)
            known++;
        if (!*known)
            return usage("there is no test of this name", *names);
    }
    return 0;
}

static int number(double *out, const char *text, double least, double most)
{
    char *end;
    *out = strtod(text, &end);
    return end == text || *end || !(*out >= least && *out <= most) ? -1 : 0;
}

static int run_bench(int argc, char **argv)
{
    enum { SIZES = 256, MEMORY, SECONDS, WINDOW, NO_CHECK, JSON };
    static const struct option options[] = {{"sizes", required_argument, NULL, SIZES},
                                            {"memory", required_argument, NULL, MEMORY},
                                            {"seconds", required_argument, NULL, SECONDS},
                                            {"window", required_argument, NULL, WINDOW},
                                            {"no-check", no_argument, NULL, NO_CHECK},
                                            {"json", no_argument, NULL, JSON},
                                            {NULL, 0, NULL, 0}};
    struct fab_ask ask = {.memory = "host", .seconds = 0.5, .window = 64, .check = true};
    double window = 64;
    int c;
    fab_sizes_parse(&ask.sizes, "1:4M");
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == SIZES && fab_sizes_parse(&ask.sizes, optarg))
            return usage("--sizes needs sizes such as 1:4M or 8,1K:64K", optarg);
        if (c == SECONDS && number(&ask.seconds, optarg, 0.001, 3600))
            return usage("--seconds needs a number from 0.001 to 3600", optarg);
        if (c == WINDOW && number(&window, optarg, 1, FAB_WINDOW_MOST))
            return usage("--window needs a number from 1 to 1024", optarg);
        if (c == MEMORY)
            ask.memory = optarg;
        if (c == '?')
            return USAGE;
        ask.check = ask.check && c != NO_CHECK;
        ask.json = ask.json || c == JSON;
    }
    ask.window = (int)window;
    ask.tests = (const char *const *)argv + optind;
    return known_tests(argv + optind) ? USAGE : fab_bench(&ask);
}

static int run_probe(int argc, char **argv)
{
    static const struct option options[] = {{"full", no_argument, NULL, 'f'},
                                            {"python", required_argument, NULL, 'p'},
                                            {NULL, 0, NULL, 0}};
    bool full = false;
    const char *python = "python3";
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == '?')
            return USAGE;
        full = full || c == 'f';
        python = c == 'p' ? optarg : python;
    }
    return optind < argc ? usage("probe takes no operand", argv[optind])
                         : fab_probe(stdout, python, full);
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    static char name[] = "fabric"; // for the messages of getopt
    if (argc > 1)
        argv[1] = name;
    if (strcmp(command, "bench") == 0)
        return run_bench(argc - 1, argv + 1);
    if (strcmp(command, "probe") == 0)
        return run_probe(argc - 1, argv + 1);
    if (strcmp(command, "--help") != 0)
        return usage("a command is needed: probe or bench", *command ? command : NULL);
    fputs(help, stdout);
    return 0;
}
