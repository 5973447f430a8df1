#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# debug: no (the tables are read in t0001, too; make install is that of the normal build)
# valgrind: no (the same)
# Completion in a real bash, with names from a real engine; the manual pages; what `make install` puts where.
. "$(dirname "$0")/lib.sh"
c=$(cluster tab)
mkdir -p bin && ln -sf "$DOCKMPI" bin/dockmpi
export PATH=$E2E_TMP/bin:$PATH PYTHONPATH=$E2E_ROOT/tests/e2e TERM=xterm CLUSTER=$c

# words TYPED...: what the last word could become, as a line.
words() { dockmpi __complete -- "$@" 2>&1 | cut -f1 | sort | tr '\n' ' '; }
# soon WANT TITLE TYPED...: the same where an engine is asked, which a busy machine may do too late now and then.
soon() {
    local want=$1 title=$2 got
    shift 2
    as_wanted() { got=$(words "$@") && [ "$got" = "$want" ]; }
    wait_until 60 as_wanted "$@"
    is "$got" "$want" "$title"
}
is "$(words "do")" 'doctor down ' 'commands'
like "$(words '')" '(^| )up .*version ' 'all commands'
unlike "$(words '')" '__' 'but not those for shells'
is "$(words down --n)" '--name --node ' 'options of the command and of all'
is "$(words shell --js)" '' '--json only where it is one'
is "$(words completion '')" 'bash fish zsh ' 'words of the usage line'
is "$(words image p)" 'push ' 'subcommands'
is "$(words image build ompi4)" 'ompi4 ompi4_torch ' 'image profiles'
is "$(words up -i ompi4)" 'ompi4 ompi4_torch ' 'image profiles of an option'
is "$(words up --image = ompi4)" 'ompi4 ompi4_torch ' 'as bash takes it apart'
is "$(words run multinode)" ':files multinode_ddp_mpi multinode_ddp_mpi_gpu ' 'built-in jobs and files'
is "$(words run x.py --ver)" ':files ' 'a program has its own options'
is "$(words help wh)" 'why ' 'help'
is "$(words up --workers '')$(words nonsense '')$(words up --nonsense '')" '' 'nothing where nothing is known'

exits 2 'completion of an unknown shell' dockmpi completion csh
for shell in bash zsh fish; do
    ok "completion $shell" dockmpi completion $shell
    cp out script
    # Those that this machine has.
    command -v $shell >/dev/null || continue
    ok "$shell reads it" $shell -n script
done

need_image launcher
image=dockmpi/launcher
ok 'a cluster, for its names' docker create --name "dockmpi-$c-launcher" --label "io.dockmpi.cluster=$c" \
    --label io.dockmpi.role=launcher "$image" true
ok 'a worker' docker create --name "dockmpi-$c-worker-0" --label "io.dockmpi.cluster=$c" \
    --label io.dockmpi.role=worker --label io.dockmpi.index=0 "$image" true
ok 'a job' docker create --name "dockmpi-$c-job-7" --label "io.dockmpi.cluster=$c" --label io.dockmpi.role=job \
    --label io.dockmpi.job=7 --label "io.dockmpi.program=$(printf 'x\033[31m\ny')" "$image" true
soon "$c " 'names of clusters' ps --name "$c"
soon 'launcher worker-0 ' 'containers of that cluster' shell --name "$c" ''
soon '7 ' 'jobs of that cluster' logs --name "$c" ''
unlike "$(dockmpi __complete -- logs --name "$c" '')" "$(printf '\033')|^y" 'no escape sequence and no second line of a label'
: >"a file"
ok 'a real bash completes' python3 -c '
import os
from ptytalk import Terminal
t = Terminal(["bash", "--norc", "--noprofile", "-i"])
t.send("bind \"set enable-bracketed-paste off\"; source <(dockmpi completion bash); echo rea\"\"dy\r")
t.expect(r"ready\r\n")
t.send("dockmpi versi\t| sed s/^/got-/\r")
t.expect(r"got-dockmpi [0-9.]+")
cluster = os.environ["CLUSTER"]
t.repeat(f"dockmpi ps --name {cluster[:-1]}\t--js\t| sed s/^/it-/\r", cluster + r" --json ")
t.expect("it-")
t.send("dockmpi import a\\ f\t2>&1 | sed s/^/said-/\r")
t.expect(r"said-dockmpi: .*a file")
'
DOCKER_HOST=unix:///nonexistent/docker.sock ok 'without an engine' dockmpi __complete -- shell ''
is "$out$err" '' 'nothing, and no noise'
docker rm "dockmpi-$c-launcher" "dockmpi-$c-worker-0" "dockmpi-$c-job-7" >/dev/null

ok 'make install' make -s -C "$E2E_ROOT" install DESTDIR="$E2E_TMP/root"
cd "$E2E_TMP/root/usr/local/share" || exit 1
for file in bash-completion/completions/dockmpi zsh/site-functions/_dockmpi fish/vendor_completions.d/dockmpi.fish; do
    [ -s $file ] && pass "$file" || fail "$file"
done
for page in dockmpi dockmpi-up dockmpi-run; do
    [ -s man/man1/$page.1 ] && pass "$page(1)" || fail "$page(1)"
done
like "$(cat man/man1/dockmpi-down.1)" '^.fB.-.-node.fR' 'a page has its options'
if command -v man >/dev/null; then
    for page in man/man1/*.1; do man --warnings -E UTF-8 -l -Tutf8 -Z "$page"; done >"$E2E_TMP/pages" 2>"$E2E_TMP/warnings"
    is "$(cat "$E2E_TMP/warnings")" '' 'man has nothing to remark'
fi
ok 'make uninstall' make -s -C "$E2E_ROOT" uninstall DESTDIR="$E2E_TMP/root"
is "$(find "$E2E_TMP/root" -type f)" '' 'takes all of it away'
