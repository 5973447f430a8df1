#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bench between two hosts: every test with its data checked, as JSON, table, CSV and pictures; compared; by
# tuning set; and what bench probe sees in the workers. How fast this machine is decides nothing here.
# timeout: 600
# debug: no (what is tested runs in the containers; the rest is in unit and golden tests)
# valgrind: no (likewise)
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/lab.sh
. "$E2E_ROOT/tests/e2e/lab.sh"

small_images
lab_up 2
sed 's/image: cpu/image: small/' "$LAB_DIR/cluster-tls.yaml" >lab.yaml
bench() { dockmpi bench -f lab.yaml --seconds 0.02 "$@"; }

ok 'up' dockmpi up -f lab.yaml

ok 'bench' bench --sizes 8,64K --json
cp out one.json
json 'every test and size is there, measured and checked' '
run, = r["runs"]
rows = {(x["test"], x["size"]): x for x in run["rows"]}
want = {(t, s) for t in ("latency", "bw", "bibw", "allreduce", "allgather") for s in (8, 65536)} | {("barrier", 0)}
assert set(rows) == want, sorted(rows)
for (test, size), x in rows.items():
    assert 0 < x["min"] <= x["median"] <= x["max"] and x["iterations"] >= 3, x
    assert x["wrong"] == 0 and (x["checked"] > 0 or test == "barrier"), x
    assert x["unit"] == ("MB/s" if test.startswith("b") and test != "barrier" else "us"), x'
cp one.json out
json 'between two hosts, over the interfaces of their data addresses' '
h = r["runs"][0]["header"]
assert h["ranks"] == 2 and h["same_machine"] is False, h
assert [p["interface"] for p in h["pair"]] == ["eth0", "ens5"], h
assert h["pair"][0]["host"] != h["pair"][1]["host"], h
assert h["line_rate_mbit_s"] == 10000, h
assert "OSU" in h["method"], h'

ok 'compared with an earlier result, and drawn' bench bw allreduce --sizes 64K --compare one.json --plot two.svg
like "$out" '^# Open MPI v5.*, 2 ranks; latency, bw and bibw between ' 'the table says what was measured'
like "$out" '^bw +65536 .* MB/s +ok +[0-9.]+ +[+-][0-9.]+ %$' 'rows tell the earlier value and the change'
like "$out" '^# allreduce: [+-][0-9.]+ % better than before, over 1 size$' 'each test is summed up'
like "$out" '^# .* % of the line rate of 10 Gbit/s$' 'so is the line rate'
like "$(cat two.svg)" 'line rate, 10 Gbit/s' 'which the picture shows'
ok 'the picture is XML' python3 -c 'import xml.dom.minidom as m; m.parse("two.svg")'
ok 'a PNG of the first result' dockmpi bench --from one.json --plot one.png
is "$(head -c 8 one.png | od -An -tx1 | tr -d ' ')" 89504e470d0a1a0a 'is one'

ok 'tuning sets, one after the other, as CSV' bench allreduce --sizes 1K --tune tcp,ucx,ucc --csv
is "$(tail -n +2 <<<"$out" | cut -d, -f1-4 | tr '\n' ' ')" \
    'tcp,allreduce,1024,us ucx,allreduce,1024,us ucc,allreduce,1024,us ' 'a line for each'

# A network that damages what it carries: one bit of every message of 64 bytes.
cat >damage.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
int MPI_Recv(void *data, int count, void *type, int from, int tag, void *comm, void *status);
int MPI_Recv(void *data, int count, void *type, int from, int tag, void *comm, void *status)
{
    int (*receive)(void *, int, void *, int, int, void *, void *);
    *(void **)&receive = dlsym(RTLD_NEXT, "PMPI_Recv");
    int rc = receive(data, count, type, from, tag, comm, status);
    if (count == 64)
        ((char *)data)[17] ^= 4;
    return rc;
}
C
ok 'a library that damages data' gcc -O1 -fPIC -shared -o damage.so damage.c -ldl
ok 'goes to the workers' dockmpi cp -f lab.yaml damage.so :/tmp/damage.so
exits 1 'bench over it' bench latency --sizes 32,64 --env LD_PRELOAD=/tmp/damage.so
like "$out" '^latency +32 .* us +ok$' 'what arrived well is told apart'
like "$out" '^latency +64 .* us +WRONG$' 'from what did not'
like "$err" '^fabric: latency of 64 bytes: rank [01] on .* got wrong data: 3 of 192, the first at 17$' 'with rank and place'

ok 'probe' dockmpi bench probe -f lab.yaml --json
json 'tells libraries, interfaces with their networks, and transports of UCX' '
import ipaddress
assert [w["worker"] for w in r] == ["worker-0", "worker-1"], r
for w, name in zip(r, ("eth0", "ens5")):
    p = w["probe"]
    assert p["mpi"]["library"].startswith("Open MPI v5"), p["mpi"]
    assert "--with-ucx" in p["mpi"]["configured"] and "ucx" in p["mpi"]["components"]["pml"], p["mpi"]
    assert p["ucx"]["memory_types"] and p["ucx"]["memory_types"][0] == "host", p["ucx"]
    seen = {t["device"]: t for d in p["ucx"]["domains"] for t in d["transports"] if t["transport"] == "tcp"}
    assert seen[name]["bandwidth_mb_s"] > 0 and seen[name]["type"] == "network", seen
    nets = {i["network"] for i in p["interfaces"] if i["name"] == name}
    assert sys.argv[1] + ".0/24" in nets, p["interfaces"]
    assert all(ipaddress.ip_address(i["address"]) in ipaddress.ip_network(i["network"]) for i in p["interfaces"])
    assert p["gpus"] == [] and p["torch"] is None, p' "$LAB_SUBNET"
ok 'as a table' dockmpi bench probe -f lab.yaml
like "$out" '^worker-1 +Open MPI v5\S* +[0-9.]+ .*tcp/ens5' 'too'

exits 125 'a job that takes longer than it may' bench latency --seconds 60 --timeout 1s
like "$err" 'canceled after --timeout$' 'is ended, and says so'
bench latency --seconds 60 >out 2>err &
pid=$!
canceled() { dockmpi cancel -f lab.yaml --grace 0 2>/dev/null | grep -q canceled; }
wait_until $E2E_LIMIT canceled || fail 'cancel, from elsewhere'
wait $pid
rc=$?
e2e_read
is $rc 125 'a benchmark that somebody else cancels'
like "$err" '^dockmpi: job [0-9]+: was canceled .by .cancel.' 'says so'
exits 125 'memory of a GPU that is not there' bench latency --memory cuda
like "$err" '^fabric: --memory cuda: no NVIDIA GPU can be used .* on ' 'is told, with the worker'
ok 'a worker loses the program' dockmpi exec -f lab.yaml -w worker-1 -- rm /usr/lib/dockmpi/fabric
exits 125 'bench' bench latency
like "$err" 'an image of the cluster has no /usr/lib/dockmpi/fabric: build it anew' 'says what to do'
exits 125 'probe' dockmpi bench probe -f lab.yaml
like "$err" '^dockmpi: worker-1: image small has no /usr/lib/dockmpi/fabric' 'names the worker'
ok 'down' dockmpi down -f lab.yaml
exits 125 'bench without a cluster' bench
like "$err" 'is not up: start it with .dockmpi up' 'says so'
