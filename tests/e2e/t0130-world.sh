#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Where the ranks are: the map, and worlds that an mpirun makes otherwise than it was told, for real.
# timeout: 300
# valgrind: no (what is tested runs in the containers)
. "$(dirname "$0")/lib.sh"
need_image launcher
c=$(cluster w)

# A launcher whose mpirun is found by PATH, so that one of ours comes first.
mkdir -p images/launcher bin
ln -s "$DOCKMPI_IMAGES/jobs" images/jobs
grep -v '^mpirun:\|^from:' "$DOCKMPI_IMAGES/launcher/image.yaml" >images/launcher/image.yaml
export DOCKMPI_IMAGES=$PWD/images

# mpirun_does SCRIPT: it changes the arguments of the real mpirun.
mpirun_does() {
    printf '#!/bin/sh\n%s\nexec /usr/bin/mpirun "$@"\n' "$1" >bin/mpirun.new
    chmod 755 bin/mpirun.new
    mv bin/mpirun.new bin/mpirun
}
# with WORD NEW: a change that puts NEW in place of the word after WORD.
with() { printf 'last=\nfor a; do shift; [ "$last" != %s ] || a=%s; last=$a; set -- "$@" "$a"; done\n' "$1" "$2"; }

mpirun_does ''
# Of this source, whatever the image has.
ok 'the library that writes the output' cc -shared -fPIC -o output.so "$E2E_ROOT/images/launcher/output.c"
ok 'a cluster of two workers' dockmpi up --name "$c" --workers 2 --image launcher --volume "$PWD/bin:/usr/local/sbin" \
    --volume "$PWD/output.so:/usr/lib/dockmpi/output.so:ro"
ok 'a job' dockmpi run --name "$c" --slots 2 -- hostname
is "$(sort <<<"$out" | uniq -c | tr -s ' ' | tr '\n' ';')" " 2 dockmpi-$c-worker-0; 2 dockmpi-$c-worker-1;" \
    'its ranks are where they belong'
is "$err" '' 'and what they tell about themselves is not seen'

ok 'run --map' dockmpi run --name "$c" --slots 2 --map -- sh -c 'echo $$; echo own >&2'
is "$(sort -n <<<"$out" | tr '\n' ' ')" "$(awk '/^[0-9]/ { print $7 }' <<<"$err" | sort -n | tr '\n' ' ')" \
    'the map has the process ids of the program'
is "$(awk '/^[0-9]/ { print $1, $2, $3, $4, $5, $6, $8 }' <<<"$err" | tr '\n' ';')" \
    "$(for r in 0 1 2 3; do
        w=$((r / 2)) name=dockmpi-$c-worker-$((r / 2))
        printf '%s local worker-%s %s %s %s -;' $r $w "$name" "$name" $((r % 2))
    done)" 'and the place of every rank'
is "$(grep -c '^own$' <<<"$err")" 4 'the ranks go on as they are'
t dockmpi run --name "$c" --map --json -- sleep 0.3
cp err out
json 'run --map --json is one object' "m = r['map']
assert [(x['rank'], x['worker'], x['local_rank']) for x in m] == [(0, 'worker-0', 0), (1, 'worker-1', 0)], m
assert all(x['container'] == x['host'] == 'dockmpi-' + sys.argv[1] + '-' + x['worker'] for x in m), m" "$c"
ok 'a job in the background' dockmpi run --name "$c" --map -d -- hostname
job=$out
ok 'ends' dockmpi wait --name "$c" "$job"
ok 'and its log' dockmpi logs --name "$c" "$job"
like "$err" '^1 +local +worker-1 ' 'has the map'

# The transports that Open MPI really uses.
fabric=(/usr/lib/dockmpi/fabric bench --sizes 8 barrier)
ok 'run --verify' dockmpi run --name "$c" --verify -- "${fabric[@]}"
like "$err" "^dockmpi: transport by Open MPI's own report: self inside a worker, tcp between workers$" 'tells the transports'
unlike "$out" 'Host|host:|summary' "in place of Open MPI's own words"
ok 'run --verify --tune ucx' dockmpi run --name "$c" --verify --tune ucx -- "${fabric[@]}"
like "$err" '^dockmpi: transport .*ucx .*tcp/.* between workers$' 'tells those of UCX'
exits 125 'UCX that a program does not use' dockmpi run --name "$c" --verify --tune ucx -- env OMPI_MCA_pml=ob1 "${fabric[@]}"
like "$err" '^dockmpi: the job was ended: the job was to use pml ucx, but Open MPI uses self inside a worker, tcp' 'is told'
exits 125 'UCX, and no MPI in the program' dockmpi run --name "$c" --verify --tune ucx -- sleep 0.3
like "$err" '^dockmpi: .*to use pml ucx, but Open MPI told of no transport' 'is told, too'
# Both ranks get the same process number, which UCC takes for the same process in containers of one host.
twin='i=0; until [ $i -ge 600 ]; do true & i=$!; wait $i; done; "$@" & wait $!'
ok 'run --verify --tune ucc' dockmpi run --name "$c" --verify --tune ucc -- sh -c "$twin" sh "${fabric[@]}"
like "$err" "^dockmpi: collectives by UCC in all 2 ranks, by Open MPI's own report$" 'tells that UCC is used, also by ranks of one number'
unlike "$err" 'ERROR|Error' 'without an error'
exits 125 'UCC that comes to nothing' dockmpi run --name "$c" --verify --tune ucc --env UCC_CLS=none -- "${fabric[@]}"
like "$err" '^dockmpi: the job was ended: the job was to use UCC for its collectives, but Open MPI does without' 'is told'
ok 'no MPI and nothing asked for' dockmpi run --name "$c" --verify -- sleep 0.3

# bad TITLE TEXT: a world that is refused, with the program not run by those who are out of place.
bad() {
    exits 125 "$1" dockmpi run --name "$c" -- sh -c 'echo started; exec sleep 100'
    one_line "$err" "$1: one line"
    like "$err" "^dockmpi: the job was ended: $2" "$1: which says so"
}
printf 'worker-0 slots=9\n' >bin/one
mpirun_does "$(with --hostfile /usr/local/sbin/one)"
bad 'all ranks on one worker' "rank 1 is on worker-0 of node local, planned on worker-1 of node local; all 2 ranks are on worker-0"
printf 'localhost slots=9\n' >bin/here
mpirun_does "$(with --hostfile /usr/local/sbin/here)"
bad 'ranks in the launcher' "rank [01] is in the launcher, planned on worker-[01] of node local; all 2 ranks are in the launcher"
unlike "$out" started 'no rank runs its program in the launcher'
mpirun_does "$(with -np 1)"
bad 'fewer ranks than asked for' "mpirun made a world of size 1, 2 ranks were asked for"
unlike "$out" started 'no rank runs in a world that is too small'
printf 'worker-0 slots=9\nworker-1 slots=9\n' >bin/more
mpirun_does "$(with --hostfile /usr/local/sbin/more; with -np 3)"
bad 'more ranks than asked for' "(mpirun made a world of size 3, 2 ranks were asked for|rank . is on worker-0)"
mpirun_does 'exit 0'
bad 'an mpirun that starts nothing' "mpirun answered 0, but rank 0, planned on worker-0 of node local, has not come; 0 of 2 ranks have"
mpirun_does 'exit 9'
exits 9 'an mpirun that fails has its own code' dockmpi run --name "$c" -- true

mpirun_does ''
docker exec "dockmpi-$c-worker-1" sh -c 'mv /etc/dockmpi/rank /etc/dockmpi/right; echo "exec sleep 1000" >/etc/dockmpi/rank'
# Its two minutes are short here, but begin when the other rank has come.
cat >bin/sleep <<'SH'
#!/bin/sh
[ "$1" = 120 ] || exec /usr/bin/sleep "$@"
until grep -qs . /tmp/dockmpi-job.*/came; do /usr/bin/sleep 0.1; done
exec /usr/bin/sleep 1
SH
chmod 755 bin/sleep
bad 'a rank that does not come' "rank 1, planned on worker-1 of node local, has not come; 1 of 2 ranks have. .dockmpi doctor --name $c. looks"
rm bin/sleep
docker exec "dockmpi-$c-worker-1" mv /etc/dockmpi/right /etc/dockmpi/rank
exits 125 'a detached job' dockmpi wait --name "$c" "$(mpirun_does 'exit 0'; dockmpi run --name "$c" -d -- true)"
mpirun_does ''
# Launch daemons that are slow to note which process they have started: the ranks have ended by then.
cat >fork.c <<'EOT'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
pid_t fork(void)
{
    pid_t (*real)(void) = (pid_t (*)(void))dlsym(RTLD_NEXT, "fork"), pid = real();
    if (pid > 0)
        sleep(1);
    return pid;
}
EOT
ok 'a slow fork' cc -shared -fPIC -o bin/fork.so fork.c
for w in 0 1; do
    docker exec "dockmpi-$c-worker-$w" sh -c 'mkdir /opt/slow && mv /usr/bin/prted /opt/slow &&
        printf "#!/bin/sh\nLD_PRELOAD=/usr/local/sbin/fork.so:\$LD_PRELOAD exec /opt/slow/prted \"\$@\"\n" >/usr/bin/prted && chmod 755 /usr/bin/prted'
done
ok 'ranks that end at once are not missed' dockmpi run --name "$c" --timeout 60s -- true
for w in 0 1; do docker exec "dockmpi-$c-worker-$w" mv /opt/slow/prted /usr/bin/prted; done
ok 'the cluster is as good as before' dockmpi run --name "$c" -- sleep 0.3
none_sleeps() { ! docker exec "dockmpi-$c-worker-0" ps -eo comm | grep -qx sleep; }
ok 'and nothing of those jobs is left' wait_until $E2E_LIMIT none_sleeps
# A worker that is lost.
zeros() { tr -dc '\0' <"$1" | wc -c; }
both_have() { [ "$(zeros out)" -eq 2 ]; }
: >out
dockmpi run --name "$c" -- sh -c 'printf "\0"; sleep 600' >out 2>err &
client=$!
wait_until $E2E_LIMIT both_have || fail 'both ranks run'
docker exec "dockmpi-$c-worker-1" pkill -KILL -x prted
wait $client
is $? 255 'a worker that is lost ends the job'
like "$(tr -d '\0' <err)" '^dockmpi: worker-1 on node local was lost: ' 'and is named'
is "$(zeros out) $(zeros err)" '2 0' 'mpirun says so in text alone, and no byte of the ranks is missing'
ok 'down' dockmpi down --name "$c"
