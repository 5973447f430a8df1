// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "spec/import.h"
#include "spec/importer.h"
#include "spec/spec.h"

// "KIND: [*]NAME PUBLIC PRIVATE TYPE USER/SLOTS | ... (left out)", or the error.
static char *summary(const char *text)
{
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_import_free) struct dmpi_import im;
    if (dmpi_import_parse(&im, text, strlen(text), "in", &err))
        return dmpi_xstrdup(err.msg);
    struct dmpi_buf out = DMPI_BUF_INIT(1 << 20);
    dmpi_buf_addf(&out, "%s:", im.kind);
    for (size_t i = 0; i < im.n; i++) {
        const struct dmpi_import_host *h = &im.hosts[i];
        dmpi_buf_addf(&out, "%s %s%s %s %s %s", i ? " |" : "", (long)i == im.launcher ? "*" : "",
                      h->name, h->public_addr ? h->public_addr : "-",
                      h->private_addr ? h->private_addr : "-", h->type ? h->type : "-");
        if (h->user || h->slots)
            dmpi_buf_addf(&out, " %s/%d", h->user ? h->user : "", h->slots);
    }
    for (size_t i = 0; i < im.left_out.n; i++)
        dmpi_buf_addf(&out, " (%s)", im.left_out.v[i]);
    return dmpi_buf_steal(&out);
}

struct row {
    const char *text, *want;
};

static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dmpi_autofree char *got = summary(rows[i].text);
        assert_string_equal(got, rows[i].want);
    }
}

static void tables(void **state)
{
    (void)state;
    static const struct row rows[] = {
        // dash, id, type, address, date
        {"\xe2\x80\x93\ti-0abc123456789def0\tt3.micro\t52.15.165.68\t2024/11/20 10:20 GMT+1\n"
         "\xe2\x80\x93\ti-0abc123456789def1\tg4dn.xlarge\t18.218.185.168\t2024/11/20\n"
         "-\ti-0abc123456789def2\tg4ad.xlarge\t18.88.70.1\t2024/11/20\n",
         "table: *t3-0 52.15.165.68 - t3.micro | g4dn-0 18.218.185.168 - g4dn.xlarge | "
         "g4ad-0 18.88.70.1 - g4ad.xlarge"},
        // another order, spaces, names, headings, private addresses, states
        {"Name Instance ID State Type Zone Public Private\n"
         "head i-00000001 Running t3.large us-east-2a 52.1.1.1 172.31.1.1\n"
         "gpu i-00000002 Stopped g4dn.xlarge us-east-2a \xe2\x80\x93 172.31.1.2\n",
         "table: head 52.1.1.1 172.31.1.1 t3.large (i-00000002: does not run)"},
        // Persian headings and marks of direction; the same in Japanese with wide spaces
        {"\xd9\x86\xd8\xa7\xd9\x85\t\xd8\xb4\xd9\x86\xd8\xa7\xd8\xb3\xd9\x87\n"
         "\xe2\x80\x8f"
         "2024-11-20\xe2\x80\x8f\t\xe2\x80\x8e"
         "52.1.1.1\xe2\x80\x8e\ti-00000001\t"
         "\xe2\x80\x8et3.micro\n",
         "table: t3-0 52.1.1.1 - t3.micro"},
        {"\xe3\x82\xa4\xe3\x83\xb3\xe3\x82\xb9\xe3\x82\xbf\xe3\x83\xb3\xe3\x82\xb9\n"
         "i-00000001\xe3\x80\x80m7i.metal-24xl\xc2\xa0"
         "52.1.1.1\n",
         "table: m7i-0 52.1.1.1 - m7i.metal-24xl"},
        // one cell a line
        {"i-00000001\nt3.micro\nec2-52-1-1-1.us-east-2.compute.amazonaws.com\n52.1.1.1\n"
         "2024/11/20\ni-00000002\ng5.xlarge\n52.1.1.2\n",
         "table: *t3-0 52.1.1.1 - t3.micro | g5-0 52.1.1.2 - g5.xlarge"},
        // aws --output table
        {"|  i-00000001 |  t3.micro |  52.1.1.1 | 10.0.0.1 |\n"
         "|  i-00000002 |  t3.micro |  52.1.1.2 | 10.0.0.2 |\n",
         "table: t3-0 52.1.1.1 10.0.0.1 t3.micro | t3-1 52.1.1.2 10.0.0.2 t3.micro"},
        // the names that EC2 gives
        {"i-00000001 ec2-52-1-1-1.compute-1.amazonaws.com ip-10-0-0-1.ec2.internal\n",
         "table: node-0 52.1.1.1 10.0.0.1 -"},
        // Windows line ends, cells that are empty or said to be; only an IPv6 address, only a private one
        {"i-00000001\tt3.micro\t52.1.1.1\t\t2600:1f16:abc::1\r\n"
         "i-00000002\tt3.small\t\xe2\x80\x93\t\t2600:1f16:abc::2\t10:20\r\n"
         "i-00000003\tt3.large\tNone\t10.0.0.3\tfe80::1\r\n",
         "table: t3-0 52.1.1.1 - t3.micro | t3-1 2600:1f16:abc::2 - t3.small | "
         "t3-2 - 10.0.0.3 t3.large"},
        {"i-00000001 \xe2\x80\x93 terminated\n", "in: no host in it: i-00000001: does not run"},
        {"i-00000001 t3.micro\n", "in: no host in it: i-00000001: has no address"},
    };
    check(rows, DMPI_ARRAY_LEN(rows));
}

static void hostfiles(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"ubuntu@10.0.0.1 slots=4 max-slots=4\nGPU1:2\n",
         "hostfile: 10.0.0.1 10.0.0.1 - - ubuntu/4 | gpu1 GPU1 - - /2"},
        {"10.0.0.1\n10.0.0.2\n", "hostfile: 10.0.0.1 10.0.0.1 - - | 10.0.0.2 10.0.0.2 - -"},
        {"launcher\na\nb\n", "hostfile: *launcher launcher - - | a a - - | b b - -"},
        {"", "in: no host in it"},
        {"these are words\n", "in:1: expected HOST, HOST:N or HOST slots=N; unknown word: 'are'"},
    };
    check(rows, DMPI_ARRAY_LEN(rows));
}

static void aws(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{\"Reservations\":[{\"Instances\":[{\"InstanceId\":\"i-00000001\",\"InstanceType\":"
         "\"t3.micro\",\"PublicIpAddress\":\"52.1.1.1\",\"PrivateIpAddress\":\"172.31.1.1\","
         "\"State\":{\"Name\":\"running\"},\"Tags\":[{\"Key\":\"Name\",\"Value\":\"Lab Head!\"}],"
         "\"NetworkInterfaces\":[{\"PrivateIpAddress\":\"172.31.9.9\"}]}]},"
         "{\"Instances\":[{\"InstanceId\":\"i-00000002\",\"InstanceType\":\"g4dn.xlarge\","
         "\"PrivateIpAddress\":\"172.31.1.2\",\"State\":{\"Name\":\"pending\"}},"
         "{\"InstanceId\":\"i-00000003\",\"State\":{\"Name\":\"terminated\"}}]}]}",
         "AWS: *lab-head 52.1.1.1 172.31.1.1 t3.micro | g4dn-0 - 172.31.1.2 g4dn.xlarge "
         "(i-00000003: does not run)"},
        {"[[{\"InstanceId\":\"i-00000001\",\"PublicIpAddress\":\"52.1.1.1\"}]]",
         "AWS: node-0 52.1.1.1 - -"},
        {"[{\"InstanceId\":\"i-00000001\",\"Ipv6Address\":\"2600:1f16:abc::1\"}]",
         "AWS: node-0 2600:1f16:abc::1 - -"},
        {"{\"Reservations\":[]}", "in: no host in it"},
        {"{\"Reservations\":", "in: line 1: "},
        {"[{\"InstanceId\":\"i-00000001\",\"PublicIpAddress\":\"-oProxyCommand=x\","
         "\"PrivateIpAddress\":\"x\"}]",
         "in: no host in it: i-00000001: has no address"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        dmpi_autofree char *got = summary(rows[i].text);
        if (strncmp(got, rows[i].want, strlen(rows[i].want)) != 0)
            fail_msg("got: %s\nwant: %s", got, rows[i].want);
    }
}

static void terraform(void **state)
{
    (void)state;
    static const struct row rows[] = {
        // lists that belong together by their names
        {"{\"launcher_public_ip\":{\"value\":\"52.1.1.1\"},"
         "\"launcher_private_ip\":{\"value\":\"172.31.1.1\"},"
         "\"worker_public_ips\":{\"value\":[\"52.1.1.2\",\"52.1.1.3\"]},"
         "\"worker_private_ips\":{\"value\":[\"172.31.1.2\",\"172.31.1.3\"]},"
         "\"worker_instance_types\":{\"value\":[\"g4dn.xlarge\",\"g4ad.xlarge\"]},"
         "\"vpc_id\":{\"value\":\"vpc-1\"},\"bastion_public_ip\":{\"value\":\"52.9.9.9\"}}",
         "Terraform: *launcher 52.1.1.1 172.31.1.1 - | worker-0 52.1.1.2 172.31.1.2 g4dn.xlarge | "
         "worker-1 52.1.1.3 172.31.1.3 g4ad.xlarge"},
        // mappings by name
        {"{\"public_ips\":{\"value\":{\"gpu0\":\"52.1.1.2\",\"gpu1\":\"52.1.1.3\"}},"
         "\"private_ips\":{\"value\":{\"gpu1\":\"10.0.0.3\",\"gpu0\":\"10.0.0.2\"}}}",
         "Terraform: gpu0 52.1.1.2 10.0.0.2 - | gpu1 52.1.1.3 10.0.0.3 -"},
        // lists and mappings of hosts, and one host
        {"{\"dockmpi\":{\"value\":[{\"name\":\"head\",\"public_ip\":\"52.1.1.1\",\"private_ip\":"
         "\"10.0.0.1\",\"instance_type\":\"t3.micro\",\"user\":\"ubuntu\"},"
         "{\"name\":\"gpu\",\"public_ip\":\"52.1.1.2\",\"instance_type\":\"g4dn.xlarge\"}]}}",
         "Terraform: *head 52.1.1.1 10.0.0.1 t3.micro ubuntu/0 | gpu 52.1.1.2 - g4dn.xlarge"},
        {"{\"hosts\":{\"value\":{\"a\":{\"public_ip\":\"52.1.1.1\"},\"b\":{\"public_ip\":"
         "\"52.1.1.2\"}}}}",
         "Terraform: a 52.1.1.1 - - | b 52.1.1.2 - -"},
        {"{\"box\":{\"value\":{\"public_ip\":\"52.1.1.1\",\"private_ip\":\"10.0.0.1\"}}}",
         "Terraform: box 52.1.1.1 10.0.0.1 -"},
        // show: modules, an elastic address, what is no machine, another cloud
        {"{\"format_version\":\"1.0\",\"values\":{\"root_module\":{\"resources\":["
         "{\"type\":\"aws_nat_gateway\",\"values\":{\"public_ip\":\"1.1.1.1\",\"private_ip\":"
         "\"10.0.0.9\"}},"
         "{\"type\":\"aws_eip\",\"values\":{\"instance\":\"i-00000001\",\"public_ip\":\"52.7.7.7\","
         "\"private_ip\":\"10.0.0.1\"}},"
         "{\"type\":\"aws_instance\",\"name\":\"head\",\"values\":{\"id\":\"i-00000001\","
         "\"public_ip\":\"52.1.1.1\",\"private_ip\":\"10.0.0.1\",\"instance_type\":\"t3.micro\","
         "\"instance_state\":\"running\"}}],\"child_modules\":[{\"resources\":["
         "{\"type\":\"google_compute_instance\",\"name\":\"g\",\"values\":{\"name\":\"gce\","
         "\"machine_type\":\"a2-highgpu-1g\",\"network_interface\":[{\"network_ip\":\"10.1.0.2\","
         "\"access_config\":[{\"nat_ip\":\"34.1.1.1\"}]}]}}]}]}}}",
         "Terraform: *head 52.7.7.7 10.0.0.1 t3.micro | gce 34.1.1.1 10.1.0.2 a2-highgpu-1g"},
        // for_each gives the names; databases have addresses, too
        {"{\"values\":{\"root_module\":{\"resources\":["
         "{\"type\":\"aws_instance\",\"name\":\"this\",\"index\":\"gpu\",\"values\":{\"public_ip\":"
         "\"52.1.1.1\"}},{\"type\":\"aws_instance\",\"name\":\"this\",\"index\":\"six\",\"values\":"
         "{"
         "\"public_ip\":\"\",\"ipv6_addresses\":[\"2600:1f16:abc::1\"]}},"
         "{\"type\":\"google_sql_database_instance\",\"name\":\"db\",\"values\":{"
         "\"public_ip_address\":\"34.9.9.9\"}}]}}}",
         "Terraform: gpu 52.1.1.1 - - | six 2600:1f16:abc::1 - -"},
        // a state file
        {"{\"version\":4,\"resources\":[{\"type\":\"aws_instance\",\"name\":\"w\",\"instances\":["
         "{\"attributes\":{\"id\":\"i-00000001\",\"public_ip\":\"52.1.1.1\",\"tags\":{\"Name\":"
         "\"one\"}}},{\"attributes\":{\"id\":\"i-00000002\",\"public_ip\":\"52.1.1.2\"}}]}]}",
         "Terraform: one 52.1.1.1 - - | w 52.1.1.2 - -"},
        {"{}", "in: no host in it"},
    };
    check(rows, DMPI_ARRAY_LEN(rows));
}

static void names_and_doubles(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{\"h\":{\"value\":[{\"name\":\"a\",\"public_ip\":\"1.0.0.1\"},{\"name\":\"A\","
         "\"public_ip\":\"1.0.0.2\"},{\"name\":\"a-0\",\"public_ip\":\"1.0.0.3\"},{\"name\":"
         "\"\xe2\x82\xac\",\"public_ip\":\"1.0.0.4\"}]}}",
         "Terraform: a-1 1.0.0.1 - - | a-2 1.0.0.2 - - | a-0 1.0.0.3 - - | node-0 1.0.0.4 - -"},
        {"[{\"InstanceId\":\"i-00000001\",\"PublicIpAddress\":\"1.0.0.1\"},"
         "{\"InstanceId\":\"i-00000001\",\"PrivateIpAddress\":\"10.0.0.1\"},"
         "{\"InstanceId\":\"i-00000002\",\"PublicIpAddress\":\"1.0.0.1\"}]",
         "AWS: node-0 1.0.0.1 10.0.0.1 -"},
    };
    check(rows, DMPI_ARRAY_LEN(rows));
}

static void profiles(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"t3.micro", "cpu"},   {"g4dn.xlarge", "g4dn"},      {"g4ad.8xlarge", "g4ad"},
        {"g5.xlarge", "g4dn"}, {"p3.2xlarge", "g4dn"},       {"c7i.metal-24xl", "cpu"},
        {"m5.large", "cpu"},   {"Standard_NC6s_v3", "g4dn"},
    };
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++)
        assert_string_equal(dmpi_import_profile(rows[i].text), rows[i].want);
    assert_string_equal(dmpi_import_profile(NULL), "cpu");
    assert_true(dmpi_is_ec2_type("g4dn.12xlarge"));
    assert_false(dmpi_is_ec2_type("host.example"));
    assert_false(dmpi_is_ec2_type("t3.largest"));
    assert_false(dmpi_is_ec2_type("T3.micro"));
    assert_true(dmpi_is_ec2_id("i-0123456789abcdef0"));
    assert_false(dmpi_is_ec2_id("i-xyz"));
    assert_true(dmpi_is_private_addr("172.31.0.1"));
    assert_false(dmpi_is_private_addr("172.32.0.1"));
    assert_true(dmpi_is_private_addr("100.64.0.1"));
    assert_false(dmpi_is_private_addr("100.128.0.1"));
}

static void writes_what_up_reads(void **state)
{
    (void)state;
    static const char text[] = "- i-00000001 t3.micro 52.1.1.1 172.31.1.1\n"
                               "- i-00000002 g4dn.xlarge 52.1.1.2 172.31.1.2\n"
                               "- i-00000003 g4dn.xlarge stopped\n";
    static const char want[] =
        "# Made by dockmpi import from table: 2 hosts.\n"
        "# left out: i-00000003: does not run\n"
        "name: \"lab\"\n"
        "defaults: { user: \"ubuntu\", identity: \"/k \\\"q\\\"\" }\n"
        "launcher: { node: \"t3-0\" }\n"
        "nodes:\n"
        "  - { name: \"t3-0\", docker: \"ssh://52.1.1.1\", addr: \"172.31.1.1\" } # t3.micro "
        "i-00000001\n"
        "  - { name: \"g4dn-0\", docker: \"ssh://52.1.1.2\", addr: \"172.31.1.2\", image: g4dn } # "
        "g4dn.xlarge i-00000002\n";
    struct dmpi_err err = DMPI_ERR_INIT;
    DMPI_AUTO(dmpi_import_free) struct dmpi_import im;
    DMPI_AUTO(dmpi_spec_free) struct dmpi_spec spec;
    struct dmpi_import_opts opts = {.name = "lab", .user = "ubuntu", .identity = "/k \"q\""};
    struct dmpi_flags flags = {.file = "made.yaml"};
    dmpi_autofree char *yaml = NULL;
    assert_int_equal(dmpi_import_parse(&im, text, strlen(text), "in", &err), 0);
    assert_int_equal(dmpi_import_yaml(&yaml, &im, &opts, &err), 0);
    assert_string_equal(yaml, want);
    if (dmpi_spec_make_text(&spec, &flags, yaml, strlen(yaml), NULL, &err))
        fail_msg("%s", err.msg);
    assert_string_equal(spec.name, "lab");
    assert_int_equal(spec.nodes[0].workers, 0);
    assert_int_equal(spec.nodes[1].workers, 1);
    assert_string_equal(spec.nodes[1].groups[0].image, "g4dn");
    assert_string_equal(spec.nodes[1].ep.host, "52.1.1.2");
    assert_string_equal(spec.nodes[1].ep.user, "ubuntu");
    assert_string_equal(spec.nodes[1].addr, "172.31.1.2");
}

static void bad_options(void **state)
{
    (void)state;
    static const struct dmpi_import_opts rows[] = {
        {.name = "Lab"}, {.user = "-x"}, {.user = "a b"}, {.user = ""}, {.identity = ""}};
    DMPI_AUTO(dmpi_import_free) struct dmpi_import im;
    struct dmpi_err err = DMPI_ERR_INIT;
    assert_int_equal(dmpi_import_parse(&im, "a\nb\n", 4, "in", &err), 0);
    for (size_t i = 0; i < DMPI_ARRAY_LEN(rows); i++) {
        char *out = NULL;
        assert_int_equal(dmpi_import_yaml(&out, &im, &rows[i], &err), -1);
        assert_int_equal(err.code, DMPI_EINVAL);
        assert_null(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables),
        cmocka_unit_test(hostfiles),
        cmocka_unit_test(aws),
        cmocka_unit_test(terraform),
        cmocka_unit_test(names_and_doubles),
        cmocka_unit_test(profiles),
        cmocka_unit_test(writes_what_up_reads),
        cmocka_unit_test(bad_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
