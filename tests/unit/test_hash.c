// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

static const char abc_hash[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static void sha256(void **state)
{
    (void)state;
    char hex[DMPI_SHA256_HEX];
    dmpi_sha256_hex("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    dmpi_sha256_hex("abc", 3, hex);
    assert_string_equal(hex, abc_hash);
}

static void sha256_in_pieces(void **state)
{
    (void)state;
    char hex[DMPI_SHA256_HEX];
    struct dmpi_sha256 h;
    dmpi_sha256_init(&h);
    dmpi_sha256_update(&h, "a", 1);
    dmpi_sha256_update(&h, "bc", 2);
    dmpi_sha256_final_hex(&h, hex);
    assert_string_equal(hex, abc_hash);
    dmpi_sha256_free(&h);
    dmpi_sha256_init(&h);
    dmpi_sha256_free(&h);
}

static void random_hex_is_hex_and_differs(void **state)
{
    (void)state;
    char a[33];
    char b[33];
    dmpi_random_hex(a, 16);
    dmpi_random_hex(b, 16);
    assert_int_equal(strspn(a, "0123456789abcdef"), 32);
    assert_int_equal(strlen(b), 32);
    assert_string_not_equal(a, b);
    char zero[1] = "x";
    dmpi_random_hex(zero, 0);
    assert_string_equal(zero, "");
}

static void base64_both_ways(void **state)
{
    (void)state;
    static const struct {
        const char *plain, *coded;
    } rows[] = {{"", ""},        {"f", "Zg=="},          {"fo", "Zm8="},
                {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfd", "//79"}};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        dmpi_autofree char *coded = dmpi_base64_encode(rows[i].plain, strlen(rows[i].plain));
        assert_string_equal(coded, rows[i].coded);
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(100);
        assert_int_equal(dmpi_base64_decode(&out, coded, strlen(coded), &err), 0);
        assert_int_equal(out.len, strlen(rows[i].plain));
        assert_string_equal(dmpi_buf_str(&out), rows[i].plain);
    }
}

static void base64_is_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Z", "Zg", "Zg=", "Zm9v\n", " Zm9v", "====", "Zg=x", "Z===", "Zm9!", "Zm9vZg=", "Zg==Zg=="};
    for (size_t i = 0; i < DMPI_ARRAY_LEN(bad); i++) {
        struct dmpi_err err = DMPI_ERR_INIT;
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf out = DMPI_BUF_INIT(100);
        assert_int_equal(dmpi_base64_decode(&out, bad[i], strlen(bad[i]), &err), -1);
        assert_int_equal(err.code, DMPI_EPARSE);
    }
    struct dmpi_err err = DMPI_ERR_INIT;
    struct dmpi_buf small = DMPI_BUF_INIT(2);
    assert_int_equal(dmpi_base64_decode(&small, "Zm9v", 4, &err), -1);
    dmpi_buf_free(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256),
        cmocka_unit_test(sha256_in_pieces),
        cmocka_unit_test(random_hex_is_hex_and_differs),
        cmocka_unit_test(base64_both_ways),
        cmocka_unit_test(base64_is_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
