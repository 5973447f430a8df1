// SPDX-License-Identifier: MIT
// Runs a command and says how long it took and how much memory its process held.
//
// usage: measure RESULT COMMAND [ARG...]
// Writes one line to the file RESULT: wall time in microseconds, peak of the resident memory,
// its highest sample in the first and in the second half of the run (all in KiB; equal halves mean
// flat), the exit code, which is also that of measure, and the most descriptors that a sample saw.

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SAMPLES = 1 << 16, SAMPLE_MS = 20 };

static long samples[MAX_SAMPLES];
static long most_open;

static double now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

// Resident memory of the process now, in KiB; 0 when it has gone.
static long resident(pid_t pid)
{
    char path[64];
    char line[256];
    long kib = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return kib;
}

// Open descriptors of the process now.
static long descriptors(pid_t pid)
{
    char path[64];
    long n = 0;
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return n;
}

static void sample(pid_t pid, int n)
{
    long now_open = descriptors(pid);
    samples[n] = resident(pid);
    most_open = now_open > most_open ? now_open : most_open;
}

static long highest(int from, int to)
{
    long most = 0;
    for (int i = from; i < to; i++)
        most = samples[i] > most ? samples[i] : most;
    return most;
}

// Samples until the process ends; its end wakes us at once, SIGCHLD being blocked. Returns how many
// samples there are.
static int watch(pid_t pid, const sigset_t *child, int *status, struct rusage *usage)
{
    int n = 0;
    const struct timespec pause = {.tv_nsec = SAMPLE_MS * 1000000L};
    while (wait4(pid, status, WNOHANG, usage) == 0) {
        if (sigtimedwait(child, NULL, &pause) < 0 && n < MAX_SAMPLES)
            sample(pid, n++);
    }
    return n;
}

static int code_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: measure RESULT COMMAND [ARG...]\n");
        return 2;
    }
    sigset_t child;
    sigset_t before;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, &before);
    double begin = now_us();
    pid_t pid = fork();
    if (pid == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    int status = 0;
    struct rusage usage = {0};
    int n = watch(pid, &child, &status, &usage);
    double end = now_us();
    FILE *f = fopen(argv[1], "w");
    if (!f) {
        perror(argv[1]);
        return 1;
    }
    fprintf(f, "%.0f %ld %ld %ld %d %ld\n", end - begin, usage.ru_maxrss, highest(0, n / 2),
            highest(n / 2, n), code_of(status), most_open);
    fclose(f);
    return code_of(status);
}
