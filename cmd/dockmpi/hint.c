// SPDX-License-Identifier: MIT
/*
 * The library knows clusters, not command lines: it writes "`dockmpi up`" where the user may have to type
 * `dockmpi up -f lab.yaml`. Whoever prints its texts completes them here.
 */
#include "hint.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/shquote.h"
#include "base/text.h"

#define HINT "`dockmpi "

static const struct dmpi_verb *find_verb(const struct dmpi_verb *const *verbs, const char *word,
                                         size_t len)
{
    for (; verbs && *verbs; verbs++)
        if (strlen((*verbs)->name) == len && strncmp((*verbs)->name, word, len) == 0)
            return *verbs;
    return NULL;
}

/* Whether an option stands in a command of ours, before the program that it may run. */
static bool has(const char *command, const char *option)
{
    const char *end = strstr(command, " -- ");
    for (const char *at = command; (at = strstr(at, option)); at++)
        if (at[-1] == ' ' && strchr(" =", at[strlen(option)]) && (!end || at < end))
            return true;
    return false;
}

/* -f is another option of some verbs, such as that of docker logs. */
static const char *file_option(const struct dmpi_verb *verb)
{
    for (const struct dmpi_opt *o = verb->opts; o->name; o++)
        if (o->letter == 'f')
            return "--file";
    return "-f";
}

static void add(struct dmpi_buf *out, const char *option, const char *value)
{
    dmpi_autofree char *word = dmpi_shquote(value);
    dmpi_buf_addf(out, " %s %s", option, word);
}

/* `rest`: what follows the verb, up to the closing mark. */
static void add_choice(struct dmpi_buf *out, const struct dmpi_verb *verb, const char *rest,
                       const struct dmpi_choice *choice)
{
    /* An image is built here, `up` sends it. */
    if (strcmp(verb->name, "image") == 0 && dmpi_text_starts_with(rest, " build"))
        return;
    const char *option = file_option(verb), *file = choice->file;
    if (!file && strcmp(verb->name, "up") == 0)
        file = choice->noted;
    if (file && !has(rest, option) && !has(rest, "--file"))
        add(out, option, file);
    if (choice->name && !has(rest, "--name"))
        add(out, "--name", choice->name);
}

char *dmpi_hint_complete(const char *text, const struct dmpi_choice *choice)
{
    struct dmpi_buf out = DMPI_BUF_INIT(SIZE_MAX / 2);
    const char *mark;
    while ((mark = strstr(text, HINT))) {
        const char *word = mark + strlen(HINT), *rest = word + strcspn(word, " `"),
                   *end = strchr(rest, '`');
        const struct dmpi_verb *verb = find_verb(choice->verbs, word, (size_t)(rest - word));
        dmpi_buf_add(&out, text, (size_t)(rest - text));
        if (verb && end) {
            dmpi_autofree char *command = dmpi_xstrndup(rest, (size_t)(end - rest));
            add_choice(&out, verb, command, choice);
            dmpi_buf_add(&out, rest, (size_t)(end + 1 - rest));
            rest = end + 1;
        }
        text = rest;
    }
    dmpi_buf_adds(&out, text);
    return dmpi_buf_steal(&out);
}

static struct dmpi_choice chosen;

void dmpi_hint_choose(const struct dmpi_choice *choice)
{
    chosen = *choice;
}

void dmpi_hint_noted(const char *file)
{
    static char *copy;
    free(copy);
    chosen.noted = copy = file ? dmpi_xstrdup(file) : NULL;
}

char *dmpi_hint(const char *text)
{
    return dmpi_hint_complete(text, &chosen);
}
