// SPDX-License-Identifier: MIT
// The parts of cmd/fabric that need neither MPI nor UCX.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <ftw.h>
#include <math.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "fabric/buffer.h"
#include "fabric/command.h"
#include "fabric/gpu.h"
#include "fabric/jsonw.h"
#include "fabric/netif.h"
#include "fabric/pattern.h"
#include "fabric/sizes.h"
#include "fabric/stats.h"

// ---- sizes -----------------------------------------------------------------------------------

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want; // NULL: refused
    } rows[] = {
        {"64", "64"},
        {"1:16", "1 2 4 8 16"},
        {"3:10", "3 6 10"},
        {"8,1K:4k,8", "8 1024 2048 4096"},
        {"4M,1", "1 4194304"},
        {"1G", "1073741824"},
        {"", NULL},
        {"0", NULL},
        {"0:4", NULL},
        {"4:1", NULL},
        {"1:", NULL},
        {"1,", NULL},
        {",1", NULL},
        {"-1", NULL},
        {"1x", NULL},
        {"2G", NULL},
        {"1M:99999999999999999999", NULL},
        {"1 2", NULL},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct fab_sizes got;
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(4096);
        int rc = fab_sizes_parse(&got, rows[i].text);
        for (size_t k = 0; k < got.n; k++)
            dmpi_buf_addf(&text, "%s%zu", k ? " " : "", got.v[k]);
        if (!rows[i].want && rc == 0)
            fail_msg("'%s' was taken", rows[i].text);
        if (rows[i].want && (rc || strcmp(dmpi_buf_str(&text), rows[i].want) != 0))
            fail_msg("'%s' gives '%s'", rows[i].text, dmpi_buf_str(&text));
    }
}

static void too_many_sizes(void **state)
{
    (void)state;
    struct fab_sizes got;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(4096);
    for (int i = 1; i <= FAB_SIZES_MAX; i++)
        dmpi_buf_addf(&text, "%s%d", i > 1 ? "," : "", i);
    assert_int_equal(fab_sizes_parse(&got, dmpi_buf_str(&text)), 0);
    assert_int_equal(got.n, FAB_SIZES_MAX);
    dmpi_buf_adds(&text, ",999");
    assert_int_equal(fab_sizes_parse(&got, dmpi_buf_str(&text)), -1);
}

// ---- statistics ------------------------------------------------------------------------------

static void near(double got, double want)
{
    if (fabs(got - want) > 1e-9)
        fail_msg("%g instead of %g", got, want);
}

static void statistics(void **state)
{
    (void)state;
    double four[] = {4, 1, 2, 9}, one[] = {7};
    struct fab_stats s = fab_stats_of(four, 4);
    near(s.mean, 4);
    near(s.median, 3);
    near(s.min, 1);
    near(s.max, 9);
    s = fab_stats_of(one, 1);
    near(s.mean + s.median + s.min + s.max, 28);
}

static void iterations(void **state)
{
    (void)state;
    assert_int_equal(fab_fit(1, 0.01, 10, 1000), 100);
    assert_int_equal(fab_fit(1, 0.0001, 10, 1000), 1000);
    assert_int_equal(fab_fit(1, 5, 10, 1000), 10);
    assert_int_equal(fab_fit(1, 0, 10, 1000), 1000);
    assert_int_equal(fab_fit(1, 5, 0, 1000), 0);
}

// ---- data ------------------------------------------------------------------------------------

static struct fab_wrong check(const void *data, size_t n, uint64_t seed)
{
    struct fab_wrong wrong = {0};
    fab_pattern_check(&wrong, data, n, seed);
    return wrong;
}

static void whole_messages_pass(void **state)
{
    (void)state;
    char data[1000];
    for (size_t n = 0; n <= sizeof data; n += n < 20 ? 1 : 97) {
        fab_pattern_fill(data, n, n);
        struct fab_wrong wrong = check(data, n, n);
        assert_int_equal(wrong.checked, n);
        assert_int_equal(wrong.wrong, 0);
    }
}

static void one_wrong_byte_is_found(void **state)
{
    (void)state;
    unsigned char data[1003];
    static const size_t places[] = {0, 1, 7, 8, 500, 1000, 1002};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(places); i++) {
        fab_pattern_fill(data, sizeof data, 5);
        data[places[i]] ^= 1;
        struct fab_wrong wrong = check(data, sizeof data, 5);
        assert_int_equal(wrong.wrong, 1);
        assert_int_equal(wrong.first, places[i]);
        assert_int_equal(wrong.size, sizeof data);
    }
}

// What networks and libraries do wrong: nothing arrives, or another message, or pieces exchanged.
static void wrong_messages_are_found(void **state)
{
    (void)state;
    char data[4096], piece[64];
    fab_pattern_spoil(data, sizeof data, 1);
    assert_int_equal(check(data, sizeof data, 1).wrong, sizeof data);
    fab_pattern_fill(data, sizeof data, 2);
    assert_true(check(data, sizeof data, 1).wrong > sizeof data * 9 / 10);
    memset(data, 0, sizeof data);
    assert_true(check(data, sizeof data, 1).wrong > sizeof data * 9 / 10);
    fab_pattern_fill(data, sizeof data, 1);
    memcpy(piece, data + 128, sizeof piece);
    memcpy(data + 128, data + 1024, sizeof piece);
    memcpy(data + 1024, piece, sizeof piece);
    struct fab_wrong wrong = check(data, sizeof data, 1);
    assert_true(wrong.wrong > 100 && wrong.wrong <= 128);
    assert_true(wrong.first >= 128 && wrong.first < 136);
    fab_pattern_fill(data, sizeof data, 1);
    assert_true(check(data + 1, sizeof data - 1, 1).wrong > sizeof data * 9 / 10);
}

static void checks_add_up(void **state)
{
    (void)state;
    struct fab_wrong wrong = {0};
    char data[16];
    fab_pattern_spoil(data, sizeof data, 1);
    fab_pattern_check(&wrong, data, 10, 1);
    fab_pattern_check(&wrong, data, 16, 1);
    assert_int_equal(wrong.checked, 26);
    assert_int_equal(wrong.wrong, 26);
    assert_int_equal(wrong.size, 10);
}

static void sums(void **state)
{
    (void)state;
    enum { RANKS = 11, N = 300 };
    float sum[N] = {0}, own[N];
    struct fab_wrong wrong = {0};
    for (int rank = 0; rank < RANKS; rank++) {
        fab_terms_fill(own, N, 42, rank);
        for (int i = 0; i < N; i++)
            sum[i] += own[i];
    }
    fab_terms_check(&wrong, sum, N, 42, RANKS);
    assert_int_equal(wrong.checked, N);
    assert_int_equal(wrong.wrong, 0);
    sum[17] += 1;
    sum[20] = NAN;
    fab_terms_check(&wrong, sum, N, 42, RANKS);
    assert_int_equal(wrong.wrong, 2);
    assert_int_equal(wrong.first, 17);
    // The term of one rank is missing, or everything is from another call.
    wrong = (struct fab_wrong){0};
    for (int i = 0; i < N; i++)
        sum[i] -= own[i];
    fab_terms_check(&wrong, sum, N, 42, RANKS);
    assert_true(wrong.wrong > N - 10);
    wrong = (struct fab_wrong){0};
    fab_terms_fill(sum, N, 43, 0);
    fab_terms_check(&wrong, sum, N, 42, 1);
    assert_int_equal(wrong.wrong, N);
}

static void host_memory(void **state)
{
    (void)state;
    struct fab_buffer buffer;
    enum fab_memory memory;
    const char *why = NULL;
    assert_int_equal(fab_memory_open(&memory, "host", 0, &why), 0);
    assert_int_equal(memory, FAB_HOST);
    assert_int_equal(fab_memory_open(&memory, "disk", 0, &why), -1);
    assert_non_null(strstr(why, "host, cuda, hip"));
    assert_int_equal(fab_buffer_make(&buffer, FAB_HOST, 0), 0);
    fab_buffer_free(&buffer);
    assert_int_equal(fab_buffer_make(&buffer, FAB_HOST, 5000), 0);
    assert_ptr_equal(buffer.data, buffer.host);
    assert_int_equal(buffer.host[4999], 0);
    assert_int_equal(fab_buffer_push(&buffer, 10, 20), 0);
    assert_int_equal(fab_buffer_pull(&buffer, 10, 20), 0);
    fab_buffer_free(&buffer);
    assert_null(buffer.data);
}

// ---- JSON ------------------------------------------------------------------------------------

static void json_text(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    struct fab_json j;
    fab_json_init(&j, out);
    fab_json_obj(&j, NULL);
    fab_json_str(&j, "a\"b", "c\\d\n\x01");
    fab_json_str(&j, "utf8", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80");
    fab_json_str(&j, "bad", "\xff\xc3(\xc0\xaf\xed\xa0\x80.");
    fab_json_str(&j, "none", NULL);
    fab_json_arr(&j, "list");
    fab_json_int(&j, NULL, -5);
    fab_json_num(&j, NULL, 0.25);
    fab_json_num(&j, NULL, NAN);
    fab_json_obj(&j, NULL);
    fab_json_end(&j, '}');
    fab_json_arr(&j, NULL);
    fab_json_end(&j, ']');
    fab_json_end(&j, ']');
    fab_json_bool(&j, "yes", true);
    fab_json_end(&j, '}');
    fab_json_arr(&j, NULL);
    fab_json_end(&j, ']');
    fclose(out);
    assert_string_equal(text, "{\"a\\\"b\": \"c\\\\d\\u000a\\u0001\", "
                              "\"utf8\": \"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\", "
                              "\"bad\": \"\\ufffd\\ufffd(\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd.\", "
                              "\"none\": null, \"list\": [-5, 0.25, null, {}, []], \"yes\": true}\n"
                              "[]\n");
    free(text);
}

// ---- interfaces ------------------------------------------------------------------------------

static void networks(void **state)
{
    (void)state;
    static const struct {
        const char *addr, *mask, *want;
    } rows[] = {
        {"172.31.19.203", "255.255.240.0", "172.31.16.0/20"},
        {"10.77.0.1", "255.255.255.0", "10.77.0.0/24"},
        {"192.0.2.9", "255.255.255.255", "192.0.2.9/32"},
        {"192.0.2.9", "0.0.0.0", "0.0.0.0/0"},
    };
    char got[64];
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct sockaddr_in addr = {.sin_family = AF_INET}, mask = addr;
        assert_int_equal(inet_pton(AF_INET, rows[i].addr, &addr.sin_addr), 1);
        assert_int_equal(inet_pton(AF_INET, rows[i].mask, &mask.sin_addr), 1);
        fab_network(got, sizeof got, (void *)&addr, (void *)&mask);
        assert_string_equal(got, rows[i].want);
    }
    struct sockaddr_in6 addr = {.sin6_family = AF_INET6}, mask = addr;
    assert_int_equal(inet_pton(AF_INET6, "fd00:1:2:3:4::5", &addr.sin6_addr), 1);
    assert_int_equal(inet_pton(AF_INET6, "ffff:ffff:ffff:fff0::", &mask.sin6_addr), 1);
    fab_network(got, sizeof got, (void *)&addr, (void *)&mask);
    assert_string_equal(got, "fd00:1:2::/60");
    struct sockaddr other = {.sa_family = AF_UNIX};
    fab_network(got, sizeof got, &other, &other);
    assert_string_equal(got, "");
}

static void interface_of_a_job(void **state)
{
    (void)state;
    char name[32];
    unsetenv("NCCL_SOCKET_IFNAME");
    unsetenv("GLOO_SOCKET_IFNAME");
    fab_netif_of_job(name, sizeof name);
    assert_string_equal(name, "");
    setenv("NCCL_SOCKET_IFNAME", "=ens5,ens6", 1);
    fab_netif_of_job(name, sizeof name);
    assert_string_equal(name, "ens5");
    setenv("GLOO_SOCKET_IFNAME", "ib0", 1);
    fab_netif_of_job(name, sizeof name);
    assert_string_equal(name, "ib0");
}

// ---- GPUs ------------------------------------------------------------------------------------

static char root[64]; // holds sys/ and proc/

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/dockmpi-fabric.XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int drop(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *folder, const char *name, const char *text)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_autofree char *dir = dmpi_io_join(root, folder);
    dmpi_autofree char *path = dmpi_io_join(dir, name);
    assert_int_equal(dmpi_io_mkdirs(dir, 0700, &err), 0);
    assert_int_equal(dmpi_io_write_file_atomic(path, text, strlen(text), 0600, &err), 0);
}

static void put_gpu(const char *bus, const char *class, const char *vendor, const char *regions)
{
    dmpi_autofree char *dir = dmpi_xasprintf("sys/bus/pci/devices/%s", bus);
    put(dir, "class", class);
    put(dir, "vendor", vendor);
    put(dir, "device", "0x1eb8\n");
    put(dir, "resource", regions);
}

// A T4 with the driver's 256 MiB window, a V520 without and an MI210 with all of its memory visible,
// a server's plain display chip and a network card.
static void gpus(void **state)
{
    (void)state;
    static const char small[] = "0x00000000ec000000 0x00000000ecffffff 0x0000000000040200\n"
                                "0x00000000d0000000 0x00000000dfffffff 0x000000000014220c\n"
                                "0x0000000000000000 0x0000000000000000 0x0000000000000000\n";
    struct fab_gpu found[8];
    put_gpu("0000:00:1e.0", "0x030200\n", "0x10de\n", small);
    put("proc/driver/nvidia/gpus/0000:00:1e.0", "information",
        "Model: \t\t Tesla T4\nIRQ:   \t\t 11\n");
    put_gpu("0000:00:1d.0", "0x030000\n", "0x1002\n", small);
    put("sys/bus/pci/devices/0000:00:1d.0", "mem_info_vram_total", "8573157376\n");
    put("sys/bus/pci/devices/0000:00:1d.0", "mem_info_vis_vram_total", "268435456\n");
    put_gpu("0000:83:00.0", "0x120000\n", "0x1002\n", small);
    put("sys/bus/pci/devices/0000:83:00.0", "mem_info_vram_total", "68702699520\n");
    put("sys/bus/pci/devices/0000:83:00.0", "mem_info_vis_vram_total", "68702699520\n");
    put("sys/bus/pci/devices/0000:83:00.0", "product_name", "Instinct MI210\n");
    put_gpu("0000:02:00.0", "0x030000\n", "0x1a03\n", small);
    put_gpu("0000:03:00.0", "0x020000\n", "0x8086\n", small);
    dmpi_autofree char *sys = dmpi_io_join(root, "sys"), *proc = dmpi_io_join(root, "proc");
    assert_int_equal(fab_gpu_list(found, 8, sys, proc), 3);
    assert_string_equal(found[0].bus, "0000:00:1d.0");
    assert_string_equal(fab_gpu_vendor(found[0].vendor), "AMD");
    assert_true(found[0].memory == 8573157376);
    assert_int_equal(fab_gpu_large_bar(&found[0]), 0);
    assert_string_equal(found[1].model, "Tesla T4");
    assert_string_equal(fab_gpu_vendor(found[1].vendor), "NVIDIA");
    assert_true(found[1].aperture == 268435456);
    assert_int_equal(fab_gpu_large_bar(&found[1]), -1);
    found[1].memory = 15843721216; // as CUDA tells
    assert_int_equal(fab_gpu_large_bar(&found[1]), 0);
    found[1].aperture = 17179869184;
    assert_int_equal(fab_gpu_large_bar(&found[1]), 1);
    assert_string_equal(found[2].model, "Instinct MI210");
    assert_int_equal(fab_gpu_large_bar(&found[2]), 1);
    assert_int_equal(fab_gpu_list(found, 2, sys, proc), 2);
    assert_int_equal(fab_gpu_list(found, 8, "/nonexistent", proc), 0);
}

static void speeds(void **state)
{
    (void)state;
    put("sys/class/net/a", "speed", "25000\n");
    put("sys/class/net/b", "speed", "-1\n");
    put("sys/class/net/c", "speed", "4294967295\n");
    dmpi_autofree char *sys = dmpi_io_join(root, "sys");
    assert_int_equal(fab_netif_speed(sys, "a"), 25000);
    assert_int_equal(fab_netif_speed(sys, "b"), 0);
    assert_int_equal(fab_netif_speed(sys, "c"), 0);
    assert_int_equal(fab_netif_speed(sys, "d"), 0);
}

// ---- programs --------------------------------------------------------------------------------

static void programs(void **state)
{
    (void)state;
    char out[16];
    const char *const hello[] = {"sh", "-c", "echo hello; echo noise >&2", NULL};
    const char *const longer[] = {"sh", "-c", "head -c 200000 /dev/zero | tr '\\0' x", NULL};
    const char *const fails[] = {"sh", "-c", "echo part; exit 3", NULL};
    const char *const none[] = {"no-such-program-here", NULL};
    assert_true(fab_command(out, sizeof out, hello));
    assert_string_equal(out, "hello\n");
    assert_true(fab_command(out, sizeof out, longer));
    assert_string_equal(out, "xxxxxxxxxxxxxxx");
    assert_false(fab_command(out, sizeof out, fails));
    assert_string_equal(out, "part\n");
    assert_false(fab_command(out, sizeof out, none));
    assert_string_equal(out, "");
}

static void labelled_lines(void **state)
{
    (void)state;
    static const char text[] = "# Library version: 1.18.1\n# Configured with: --a --b  \nlast";
    char got[32];
    fab_line_after(got, sizeof got, text, "Library version:");
    assert_string_equal(got, "1.18.1");
    fab_line_after(got, sizeof got, text, "Configured with:");
    assert_string_equal(got, "--a --b");
    fab_line_after(got, sizeof got, text, "la");
    assert_string_equal(got, "st");
    fab_line_after(got, sizeof got, text, "version:");
    assert_string_equal(got, "");
    fab_line_after(got, 4, text, "Configured with:");
    assert_string_equal(got, "--a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(too_many_sizes),
        cmocka_unit_test(statistics),
        cmocka_unit_test(iterations),
        cmocka_unit_test(whole_messages_pass),
        cmocka_unit_test(one_wrong_byte_is_found),
        cmocka_unit_test(wrong_messages_are_found),
        cmocka_unit_test(checks_add_up),
        cmocka_unit_test(sums),
        cmocka_unit_test(host_memory),
        cmocka_unit_test(json_text),
        cmocka_unit_test(networks),
        cmocka_unit_test(interface_of_a_job),
        cmocka_unit_test_setup_teardown(gpus, make_root, remove_root),
        cmocka_unit_test_setup_teardown(speeds, make_root, remove_root),
        cmocka_unit_test(programs),
        cmocka_unit_test(labelled_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
