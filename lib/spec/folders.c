// SPDX-License-Identifier: MIT
#include "spec/folders.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/text.h"
#include "spec/profile.h"

int dmpi_folder_list(struct dmpi_strv *out, const char *dir, const char *file, struct dmpi_err *err)
{
    DIR *d = opendir(dir);
    if (!d)
        return dmpi_err_sys(err, errno, "%s", dir);
    struct dmpi_strv found = DMPI_STRV_INIT;
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(d))) {
        dmpi_autofree char *path = dmpi_xasprintf("%s/%s/%s", dir, entry->d_name, file);
        if (dmpi_text_name_ok(entry->d_name) && access(path, F_OK) == 0)
            dmpi_strv_add(&found, entry->d_name);
    }
    int rc = errno ? dmpi_err_sys(err, errno, "%s", dir) : 0;
    closedir(d);
    dmpi_strv_sort(&found);
    dmpi_strv_add_all(out, &found);
    dmpi_strv_free(&found);
    return rc;
}

static int unknown(const char *what, const char *dir, const char *name, const char *file,
                   struct dmpi_err *err)
{
    DMPI_AUTO(dmpi_strv_free) struct dmpi_strv names = DMPI_STRV_INIT;
    if (dmpi_folder_list(&names, dir, file, err))
        return -1;
    if (names.n == 0)
        return dmpi_err_set(err, DMPI_ENOTFOUND, "no %s '%s': there are none in %s", what, name,
                            dir);
    dmpi_autofree char *all = dmpi_strv_join(&names, ", ");
    const char *near = dmpi_text_suggest(name, (const char *const *)names.v);
    if (near)
        return dmpi_err_set(err, DMPI_ENOTFOUND, "no %s '%s': did you mean '%s'? (there are: %s)",
                            what, name, near, all);
    return dmpi_err_set(err, DMPI_ENOTFOUND, "no %s '%s': there are: %s", what, name, all);
}

int dmpi_folder_check(const char *what, const char *dir, const char *name, const char *file,
                      struct dmpi_err *err)
{
    // A name is also a path component: this keeps ".." and "/" out.
    if (dmpi_text_name_check(what, name, err))
        return -1;
    dmpi_autofree char *path = dmpi_xasprintf("%s/%s/%s", dir, name, file);
    if (access(path, F_OK) == 0)
        return 0;
    if (errno != ENOENT && errno != ENOTDIR)
        return dmpi_err_sys(err, errno, "%s %s: %s", what, name, path);
    return unknown(what, dir, name, file, err);
}

// The folder of the running program, without a slash at the end; NULL when unknown.
static char *program_dir(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (n <= 0)
        return NULL;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    return slash ? dmpi_xstrndup(path, (size_t)(slash - path)) : NULL;
}

// A build tree has dockmpi in build/ and images/ beside that; an installation has it in bin/ and
// share/dockmpi/images beside that, wherever it was moved to.
int dmpi_images_dir(char **out, struct dmpi_err *err)
{
    const char *given = getenv("DOCKMPI_IMAGES");
    if (given && given[0]) {
        if (access(given, X_OK))
            return dmpi_err_sys(err, errno, "DOCKMPI_IMAGES: %s", given);
        *out = dmpi_xstrdup(given);
        return 0;
    }
    dmpi_autofree char *exe = program_dir();
    const char *dir = exe ? exe : ".";
    char *places[] = {dmpi_xasprintf("%s/../images", dir),
                      dmpi_xasprintf("%s/../share/dockmpi/images", dir),
                      dmpi_xstrdup(DOCKMPI_DATADIR "/images")};
    *out = NULL;
    for (size_t i = 0; i < DMPI_ARRAY_LEN(places); i++) {
        if (!*out)
            *out = realpath(places[i], NULL);
        free(places[i]);
    }
    if (*out)
        return 0;
    return dmpi_err_set(
        err, DMPI_ENOTFOUND,
        "no image profiles in %s/../images or " DOCKMPI_DATADIR "/images: set DOCKMPI_IMAGES", dir);
}
