// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "spec/hostfile.h"

// "user@host/slots ..." of what was read, or the error.
static char *read_all(const char *text)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_hostfile_free) struct dmpi_hostfile hf;
    if (dmpi_hostfile_parse(&hf, text, strlen(text), "hosts", &err)) {
        assert_int_equal(err.code, DMPI_EPARSE);
        return dmpi_xstrdup(err.msg);
    }
    struct dmpi_buf out = DMPI_BUF_INIT(1 << 20);
    for (size_t i = 0; i < hf.n; i++) {
        dmpi_buf_addf(&out, "%s%s%s%s/%d", i ? " " : "", hf.hosts[i].user ? hf.hosts[i].user : "",
                      hf.hosts[i].user ? "@" : "", hf.hosts[i].host, hf.hosts[i].slots);
    }
    return dmpi_buf_steal(&out);
}

static void rows(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } table[] = {
        {"10.0.0.1\n10.0.0.2\n", "10.0.0.1/0 10.0.0.2/0"},
        {"ubuntu@172.31.1.1 slots=4 max-slots=4\nubuntu@172.31.1.2 slots=2 max_slots=8 # x\n",
         "ubuntu@172.31.1.1/4 ubuntu@172.31.1.2/2"},
        {"# MPICH\n\n  gpu0:4\r\ngpu1:2\r\n", "gpu0/4 gpu1/2"},
        {"\xef\xbb\xbfgpu0", "gpu0/0"},
        {"a\na\nb slots=3\nb slots=4\n", "a/2 b/7"},
        {"[fe80::1]:3\n::2\n", "fe80::1/3 ::2/0"},
        {"", "hosts: no host in it"},
        {"# nothing\n", "hosts: no host in it"},
        {"a slots=0", "hosts:1: slots must be a number from 1 to 4096: '0'"},
        {"a slots=4097", "hosts:1: slots must be a number from 1 to 4096: '4097'"},
        {"a\nb:x", "hosts:2: slots must be a number from 1 to 4096: 'x'"},
        {"a:", "hosts:1: slots must be a number from 1 to 4096: ''"},
        {"a slot=4", "hosts:1: did you mean 'slots=N'? unknown word: 'slot=4'"},
        {"a slots", "hosts:1: did you mean 'slots=N'? unknown word: 'slots'"},
        {"a port=22", "hosts:1: expected HOST, HOST:N or HOST slots=N; unknown word: 'port=22'"},
        {"-oX", "hosts:1: malformed host: '-oX'"},
        {"-l@h", "hosts:1: malformed user name: '-l'"},
        {"@h", "hosts:1: malformed user name: ''"},
        {"u@", "hosts:1: malformed host: 'u@'"},
        {"a;b", "hosts:1: malformed host: 'a;b'"},
        {"[::1", "hosts:1: malformed host: '[::1'"},
        {"u@a\nv@a", "hosts:2: this host has another user above: 'a'"},
        {"a slots=4000\na slots=4000", "hosts:2: more than 4096 slots: 'a'"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(table); i++) {
        dmpi_autofree char *got = read_all(table[i].text);
        assert_string_equal(got, table[i].want);
    }
}

static void bytes_that_are_no_text(void **state)
{
    (void)state;
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_hostfile hf;
    assert_int_equal(dmpi_hostfile_parse(&hf, "a\nb\0c\n", 6, "hosts", &err), -1);
    assert_string_equal(err.msg, "hosts:2: not a hostfile");
    dmpi_autofree char *longer = dmpi_xmalloc(5000);
    memset(longer, 'a', 5000);
    assert_int_equal(dmpi_hostfile_parse(&hf, longer, 5000, "hosts", &err), -1);
    assert_string_equal(err.msg, "hosts:1: not a hostfile");
    assert_null(hf.hosts);
}

static void too_many(void **state)
{
    (void)state;
    struct dmpi_buf text = DMPI_BUF_INIT(1 << 20);
    for (int i = 0; i < 4097; i++)
        dmpi_buf_addf(&text, "h%d\n", i);
    dmpi_autofree char *got = read_all(dmpi_buf_str(&text));
    assert_string_equal(got, "hosts:4097: more than 4096 hosts: 'h4096'");
    dmpi_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),
        cmocka_unit_test(bytes_that_are_no_text),
        cmocka_unit_test(too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
