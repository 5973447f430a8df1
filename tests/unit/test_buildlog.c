// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "cluster/buildlog.h"

static const char event_letter[] = {[DMPI_BUILD_IMAGE] = 'I',
                                    [DMPI_BUILD_STEP] = 'S',
                                    [DMPI_BUILD_OUTPUT] = 'O',
                                    [DMPI_BUILD_LAYER] = 'L',
                                    [DMPI_BUILD_DONE] = 'D'};

static void note(void *arg, const char *image, enum dmpi_build_event event, const char *text)
{
    assert_string_equal(image, "img:1");
    dmpi_buf_addf(arg, "%c %s\n", event_letter[event], text);
}

// A log that was fed with `n` JSON objects; what it told is in *told.
static void feed(struct dmpi_buildlog *log, struct dmpi_build_opts *opts, struct dmpi_buf *told,
                 const char *const *objects, size_t n)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    *opts = (struct dmpi_build_opts){.tell = note, .arg = told};
    dmpi_buildlog_init(log, "img:1", opts);
    for (size_t i = 0; i < n; i++) {
        dmpi_json_auto json_t *object = NULL;
        assert_int_equal(dmpi_json_parse(&object, objects[i], strlen(objects[i]), &err), 0);
        assert_int_equal(dmpi_buildlog_object(log, object, &err), 0);
    }
}

static void lines_are_sorted_by_kind(void **state)
{
    (void)state;
    static const char *const objects[] = {
        "{\"stream\":\"Step 1/2 : FROM x\"}",
        "{\"stream\":\"\\n\"}",
        "{\"status\":\"Pulling from y\",\"id\":\"latest\"}",
        "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1,\"total\":9},\"id\":\"ab\"}",
        "{\"status\":\"Digest: z\"}",
        "{\"stream\":\" ---\\u003e 0123\\n\"}",
        "{\"stream\":\"Step 2/2 : RUN make\\n\"}",
        "{\"stream\":\" ---\\u003e Running in f00\\n\"}",
        "{\"stream\":\"one\\ntw\"}",
        "{\"stream\":\"o\\r\\n\\n   \\n\"}",
        "{\"stream\":\"\\u001b[91mred\\n\\u001b[0m\"}",
        "{\"stream\":\"Removing intermediate container f00\\n\"}",
        "{\"stream\":\"Successfully tagged\\n\"}",
        "{\"aux\":{\"ID\":\"sha256:1\"}}",
    };
    struct dmpi_buildlog log;
    struct dmpi_build_opts opts;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf told = DMPI_BUF_INIT(1U << 16);
    feed(&log, &opts, &told, objects, DMPI_ARRAY_LEN(objects));
    assert_string_equal(dmpi_buf_str(&told), "S Step 1/2 : FROM x\n"
                                             "L latest: Pulling from y\n"
                                             "L Digest: z\n"
                                             "S Step 2/2 : RUN make\n"
                                             "O one\n"
                                             "O two\n"
                                             "O red\n"
                                             "O Successfully tagged\n");
    assert_null(log.container);
    dmpi_buildlog_free(&log);
}

static void the_running_container_is_known(void **state)
{
    (void)state;
    static const char *const objects[] = {
        "{\"stream\":\"Step 1/3 : RUN a\\n ---\\u003e Running in f00\\n\"}",
        "{\"stream\":\"Removing intermediate container f00\\n\"}",
        "{\"stream\":\"Step 2/3 : RUN b\\n ---\\u003e Running in f01\\n\"}",
        "{\"stream\":\"Step 3/3 : RUN c\\n\"}",
        "{\"stream\":\" ---\\u003e Running in f02\\n\"}",
    };
    static const char *const after[] = {"f00", NULL, "f01", NULL, "f02"};
    for (size_t n = 1; n <= DMPI_ARRAY_LEN(objects); n++) {
        struct dmpi_buildlog log;
        struct dmpi_build_opts opts;
        DMPI_AUTO(dmpi_buf_free) struct dmpi_buf told = DMPI_BUF_INIT(1U << 16);
        feed(&log, &opts, &told, objects, n);
        if (after[n - 1])
            assert_string_equal(log.container, after[n - 1]);
        else
            assert_null(log.container);
        dmpi_buildlog_free(&log);
    }
}

static void failures_name_step_and_output(void **state)
{
    (void)state;
    static const char *const objects[] = {
        "{\"stream\":\"Step 1/2 : RUN a\\nforgotten\\n\"}",
        "{\"stream\":\"Step 2/2 : RUN b\\n1\\n2\\n3\\n4\\n\"}",
        "{\"stream\":\"E: no package\"}",
    };
    struct dmpi_buildlog log;
    struct dmpi_build_opts opts;
    struct dmpi_err err;
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf told = DMPI_BUF_INIT(1U << 16);
    feed(&log, &opts, &told, objects, DMPI_ARRAY_LEN(objects));
    dmpi_err_set(&err, DMPI_EENGINE, "The command '/bin/sh -c b' returned a non-zero code: 100");
    assert_int_equal(dmpi_buildlog_error(&log, &err), -1);
    assert_string_equal(err.msg, "image img:1: Step 2/2 : RUN b: returned a non-zero code: 100; "
                                 "it printed last: 2 | 3 | 4 | E: no package");
    dmpi_err_set(&err, DMPI_EENGINE, "write /var/lib/docker/x: no space left on device");
    assert_int_equal(dmpi_buildlog_error(&log, &err), -1);
    assert_non_null(
        strstr(err.msg, "no space left on device; the engine's disk is full: free some"));
    assert_int_equal(err.code, DMPI_EENGINE);
    dmpi_buildlog_free(&log);
}

static void failures_without_a_step_and_interruptions(void **state)
{
    (void)state;
    struct dmpi_buildlog log;
    struct dmpi_build_opts opts;
    struct dmpi_err err;
    feed(&log, &opts, NULL, NULL, 0);
    dmpi_err_set(&err, DMPI_EINVAL, "dockerfile parse error line 1: unknown instruction: FORM");
    assert_int_equal(dmpi_buildlog_error(&log, &err), -1);
    assert_string_equal(err.msg,
                        "image img:1: dockerfile parse error line 1: unknown instruction: FORM");
    dmpi_err_set(&err, DMPI_ECANCELED, "canceled");
    assert_int_equal(dmpi_buildlog_error(&log, &err), -1);
    assert_int_equal(err.code, DMPI_ECANCELED);
    assert_string_equal(err.msg, "image img:1: canceled");
    dmpi_buildlog_free(&log);
}

// A step without end and lines without end stay within bounds, and the cut never splits a character.
static void long_text_is_cut(void **state)
{
    (void)state;
    struct dmpi_buildlog log;
    struct dmpi_build_opts opts = {.tell = NULL};
    struct dmpi_err err = DMPI_ERR_INIT;
    dmpi_buildlog_init(&log, "img:1", &opts);
    DMPI_AUTO(dmpi_buf_free) struct dmpi_buf text = DMPI_BUF_INIT(1U << 20);
    dmpi_buf_adds(&text, "Step 1/1 : RUN ");
    for (int i = 0; i < 1000; i++)
        dmpi_buf_adds(&text, "\xc3\xa4");
    dmpi_buf_addc(&text, '\n');
    for (int i = 0; i < 100000; i++)
        dmpi_buf_addc(&text, 'x');
    dmpi_json_auto json_t *object = dmpi_json_new_obj();
    dmpi_json_set_str(object, "stream", dmpi_buf_str(&text));
    assert_int_equal(dmpi_buildlog_object(&log, object, &err), 0);
    dmpi_err_set(&err, DMPI_EENGINE, "boom");
    dmpi_buildlog_error(&log, &err);
    assert_non_null(strstr(err.msg, "\xc3\xa4...: boom; it printed last: xxx"));
    assert_true(strlen(err.msg) < 500);
    dmpi_buildlog_free(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_sorted_by_kind),
        cmocka_unit_test(the_running_container_is_known),
        cmocka_unit_test(failures_name_step_and_output),
        cmocka_unit_test(failures_without_a_step_and_interruptions),
        cmocka_unit_test(long_text_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
