// SPDX-License-Identifier: MIT
/* The scripts that make a shell ask `dockmpi __complete` (complete.c). */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "verbs.h"

static const char bash_script[] =
    "# bash completion of dockmpi: source it, or put it into\n"
    "# share/bash-completion/completions/dockmpi\n"
    "_dockmpi() {\n"
    "    local line files='' cur=${COMP_WORDS[COMP_CWORD]}\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r line; do\n"
    "        if [ \"$line\" = :files ]; then files=1; else COMPREPLY+=(\"${line%%$'\\t'*}\"); fi\n"
    "    done < <(\"${COMP_WORDS[0]}\" __complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" "
    "2>/dev/null)\n"
    "    [ -n \"$files\" ] || return 0\n"
    "    # Alone, bash does files itself, with all its quoting.\n"
    "    if [ ${#COMPREPLY[@]} -eq 0 ]; then compopt -o default; return 0; fi\n"
    "    compopt -o filenames\n"
    "    while IFS= read -r line; do COMPREPLY+=(\"$line\"); done < <(compgen -f -- \"$cur\")\n"
    "}\n"
    "complete -F _dockmpi dockmpi\n";

static const char zsh_script[] =
    "#compdef dockmpi\n"
    "# zsh completion of dockmpi: source it, or put it as _dockmpi into a folder of fpath\n"
    "_dockmpi() {\n"
    "    local line files=0\n"
    "    local -a found\n"
    "    while IFS= read -r line; do\n"
    "        if [[ $line == :files ]]; then\n"
    "            files=1\n"
    "        else\n"
    "            found+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
    "        fi\n"
    "    done < <(\"${words[1]}\" __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
    "    (( ${#found} )) && _describe dockmpi found\n"
    "    (( files )) && _files\n"
    "    return 0\n"
    "}\n"
    "if [[ ${funcstack[1]} == _dockmpi ]]; then _dockmpi; else compdef _dockmpi dockmpi; fi\n";

static const char fish_script[] =
    "# fish completion of dockmpi: source it, or put it into "
    "share/fish/vendor_completions.d/dockmpi.fish\n"
    "function __dockmpi_complete\n"
    "    set -l before (commandline -opc)\n"
    "    set -l last (commandline -ct)\n"
    "    for line in ($before[1] __complete -- $before[2..-1] \"$last\" 2>/dev/null)\n"
    "        if test \"$line\" = :files\n"
    "            __fish_complete_path \"$last\"\n"
    "        else\n"
    "            printf '%s\\n' \"$line\"\n"
    "        end\n"
    "    end\n"
    "end\n"
    "complete -c dockmpi -f -a '(__dockmpi_complete)'\n";

static const struct {
    const char *name, *text;
} shells[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};

static int run(void *opts, const struct dmpi_strv *operands, struct dmpi_err *err)
{
    (void)opts;
    for (size_t i = 0; operands->n == 1 && i < DMPI_ARRAY_LEN(shells); i++) {
        if (strcmp(operands->v[0], shells[i].name) != 0)
            continue;
        fputs(shells[i].text, stdout);
        return DMPI_EXIT_OK;
    }
    return dmpi_usage(err, "completion takes the name of a shell: bash, zsh or fish");
}

static const struct dmpi_opt no_opts[] = {{0}};

const struct dmpi_verb dmpi_verb_completion = {
    .name = "completion",
    .args = "bash|zsh|fish",
    .summary = "print what makes a shell complete commands, options and names",
    .details =
        "For this session: source <(dockmpi completion bash), or zsh; dockmpi completion fish |\n"
        "source. For good: the same in ~/.bashrc or ~/.zshrc (after compinit), or dockmpi "
        "completion\n"
        "fish >~/.config/fish/completions/dockmpi.fish. `make install` puts them where the shells\n"
        "look by themselves.",
    .opts = no_opts,
    .opts_size = sizeof(struct dmpi_common),
    .run = run,
};
