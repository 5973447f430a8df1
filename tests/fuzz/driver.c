// SPDX-License-Identifier: MIT
// Runs a fuzz target over files and folders of inputs, without a fuzzing engine: the corpus as a
// plain test. Every file is also fed cut in half, so that truncated inputs are always among them.

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t inputs;

// The target gets an allocation of exactly the size, so that a sanitizer sees a read past the end.
static void feed(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    inputs++;
}

static int run_file(const char *path, size_t size)
{
    uint8_t *data = malloc(size + 1);
    FILE *in = fopen(path, "rb");

    if (!data || !in || fread(data, 1, size, in) != size) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        if (in)
            fclose(in);
        free(data);
        return 1;
    }
    fclose(in);
    feed(data, size);
    feed(data, size / 2);
    free(data);
    return 0;
}

static int run_path(const char *path);

static int run_folder(const char *path)
{
    DIR *dir = opendir(path);
    int bad = 0;

    if (!dir) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        char name[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        bad |= run_path(name);
    }
    closedir(dir);
    return bad;
}

static int run_path(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    return S_ISDIR(st.st_mode) ? run_folder(path) : run_file(path, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
    int bad = 0;

    feed((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        bad |= run_path(argv[i]);
    printf("%zu inputs\n", inputs);
    return bad;
}
