/* CSV files. */
#include "array_check.h"
#include <locale.h>
#include <unistd.h>

static char path[] = "/tmp/darray-csv-XXXXXX";

static void make_file(void)
{
    strcpy(path + sizeof path - 7, "XXXXXX");
    const int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void drop_file(void)
{
    unlink(path);
}

static void write_text(const char *text, size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

static da_array *load(const char *text, int64_t skip)
{
    da_array *a;
    write_text(text, strlen(text));
    ck_ok(da_load_csv(&a, path, skip));
    ck_assert_int_eq(da_array_dtype(a), DA_F64);
    return a;
}

#define ck_loads(text, skip, shape, ...)                                                                     \
    do {                                                                                                     \
        da_array *a_ = load(text, skip);                                                                     \
        ck_values(a_, shape, __VA_ARGS__);                                                                   \
        da_array_release(&a_);                                                                               \
    } while (0)

START_TEST(what_is_read)
{
    da_array *a;
    ck_loads("1,2\n3,4\n", 0, DA_SHAPE(2, 2), 1, 2, 3, 4);
    ck_loads("1,2\n3,4", 0, DA_SHAPE(2, 2), 1, 2, 3, 4);
    ck_loads("1\r\n2\r\n", 0, DA_SHAPE(2, 1), 1, 2);
    ck_loads("\xef\xbb\xbf"
             "1;\n2",
             1, DA_SHAPE(1, 1), 2);
    ck_loads("\xef\xbb\xbf"
             "1,2\n",
             0, DA_SHAPE(1, 2), 1, 2);
    ck_loads("\n\n 1 ,\t2 \n\n   \n3,4\n\n", 0, DA_SHAPE(2, 2), 1, 2, 3, 4);
    ck_loads("\"1\",\" 2.5\"\n", 0, DA_SHAPE(1, 2), 1, 2.5);
    ck_loads("y,x\n1,2\n", 1, DA_SHAPE(1, 2), 1, 2);
    ck_loads("nan,inf,-inf,-0,1e-320,.5,5.,+7,1E3\n", 0, DA_SHAPE(1, 9), NAN, INFINITY, -INFINITY, -0.0,
             1e-320, .5, 5, 7, 1000);
    ck_loads("0.1,2.2250738585072011e-308,179769313486231570814527423731704356798070e267\n", 0,
             DA_SHAPE(1, 3), 0.1, 2.2250738585072011e-308, 1.7976931348623157e308);
    a = load("", 0);
    ck_assert_int_eq(da_array_size(a), 0);
    ck_assert_int_eq(da_array_ndim(a), 2);
    da_array_release(&a);
    a = load("only, a, header\n", 3);
    ck_assert_int_eq(da_array_size(a), 0);
    da_array_release(&a);
}
END_TEST

START_TEST(what_is_refused)
{
    static const struct {
        const char *text, *reason;
    } bad[] = {
        {"1,2\n3\n", "line 2 has 1 columns, line 1 has 2"},
        {"\n1,2\n\n3,4,5\n", "line 4 has 3 columns, line 2 has 2"},
        {"1,two\n", "line 1, column 2: \"two\" is no number"},
        {"1,2\n3,4x\n", "line 2, column 2: \"4x\" is no number"},
        {"1,,2\n", "line 1, column 2: there is no number"},
        {"1,2,\n", "line 1, column 3: there is no number"},
        {"0x10\n", "\"0x10\" is no number"},
        {"nan(5)\n", "\"nan(5)\" is no number"},
        {"1 2\n", "\"1 2\" is no number"},
        {"1;2\n", "\"1;2\" is no number"},
        {"1_000\n", "\"1_000\" is no number"},
        {"\"1,5\"\n", "\"\"1,5\"\" is no number"},
        {"\"1\n2\n", "a quote is not closed"},
        {"\"\"\n", "there is no number"},
        {"1\r2\n", "\"1\\x0d2\" is no number"},
        {"\033[2J\n", "\"\\x1b[2J\" is no number"},
        {"--1\n", "is no number"},
        {"1e\n", "is no number"},
        {"y\n1\n", "line 1, column 1: \"y\""},
    };
    da_array *a;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_text(bad[i].text, strlen(bad[i].text));
        ck_makes_nothing(da_load_csv(&a, path, 0), a, DA_ERROR_FORMAT, bad[i].reason);
        ck_assert_ptr_nonnull(strstr(da_error(), path));
    }
    write_text("1\0002\n", 4);
    ck_makes_nothing(da_load_csv(&a, path, 0), a, DA_ERROR_FORMAT, "line 1, column 1: \"1\\x002\" is no");
    ck_makes_nothing(da_load_csv(&a, path, -1), a, DA_ERROR_ARGUMENT, "-1 lines");
    ck_makes_nothing(da_load_csv(&a, "/nowhere/x.csv", 0), a, DA_ERROR_IO, "cannot open '/nowhere/x.csv'");
    ck_makes_nothing(da_load_csv(&a, "/tmp", 0), a, DA_ERROR_IO, "Is a directory");
    ck_makes_nothing(da_load_csv(&a, NULL, 0), a, DA_ERROR_ARGUMENT, "path is null");
}
END_TEST

START_TEST(long_lines)
{
    enum { COLUMNS = 50000 };
    char *text = malloc(COLUMNS * 8), *p = text;
    double x[3];
    for (int i = 0; i < COLUMNS; i++)
        p += sprintf(p, "%d%s", i, i + 1 < COLUMNS ? "," : "\n");
    da_array *a = load(text, 0);
    ck_assert_int_eq(da_array_shape(a).dim[1], COLUMNS);
    ck_ok(da_read(a, DA_SHAPE(0, COLUMNS - 3), DA_SHAPE(1, 3), x, DA_ROW_MAJOR));
    ck_assert(x[0] == COLUMNS - 3 && x[2] == COLUMNS - 1);
    da_array_release(&a);
    free(text);
}
END_TEST

static char *contents(void)
{
    static char text[65536];
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    return text;
}

START_TEST(what_is_written)
{
    const double x[] = {1, -2.5, 0.1, 1e-7, 1e22, NAN, INFINITY, -0.0};
    const uint64_t u[] = {0, UINT64_MAX};
    da_array *a, *b;
    ck_ok(da_from_host(&a, DA_F64, DA_SHAPE(2, 4), x, DA_ROW_MAJOR));
    ck_ok(da_save_csv(path, a, NULL));
    ck_assert_str_eq(contents(), "1,-2.5,0.1,1e-07\n1e+22,nan,inf,-0\n");
    ck_ok(da_save_csv(path, a, "a,b,c,d"));
    ck_ok(da_load_csv(&b, path, 1));
    double y[8];
    ck_ok(da_to_host(b, y, sizeof y, DA_ROW_MAJOR));
    ck_assert(memcmp(x, y, 5 * 8) == 0 && isnan(y[5]) && signbit(y[7]));
    da_array_release(&a);
    da_array_release(&b);
    ck_ok(da_from_host(&a, DA_U64, DA_SHAPE(2), u, DA_ROW_MAJOR));
    ck_ok(da_save_csv(path, a, NULL));
    ck_assert_str_eq(contents(), "0\n18446744073709551615\n");
    da_array_release(&a);
    ck_ok(da_full(&a, DA_F32, DA_SCALAR_SHAPE, 0.1)); /* read back as a double it is the same number */
    ck_ok(da_save_csv(path, a, "x"));
    ck_assert_str_eq(contents(), "x\n0.10000000149011612\n");
    da_array_release(&a);
    ck_ok(da_full(&a, DA_BOOL, DA_SHAPE(1, 2), true));
    ck_ok(da_save_csv(path, a, NULL));
    ck_assert_str_eq(contents(), "1,1\n");
    da_array_release(&a);
    ck_ok(da_zeros(&a, DA_F64, DA_SHAPE(0, 3)));
    ck_ok(da_save_csv(path, a, NULL));
    ck_assert_str_eq(contents(), "");
    da_array_release(&a);
}
END_TEST

START_TEST(exactly)
{
    enum { N = 30000 };
    static uint64_t bits[N];
    static double x[N], y[N];
    da_array *a, *b;
    ck_ok(da_random_uniform(&a, DA_U64, DA_SHAPE(N), 11));
    ck_ok(da_to_host(a, bits, sizeof bits, DA_ROW_MAJOR));
    da_array_release(&a);
    memcpy(x, bits, sizeof x); /* any bits at all */
    ck_ok(da_from_host(&a, DA_F64, DA_SHAPE(N / 10, 10), x, DA_ROW_MAJOR));
    ck_ok(da_save_csv(path, a, NULL));
    ck_ok(da_load_csv(&b, path, 0));
    ck_ok(da_to_host(b, y, sizeof y, DA_ROW_MAJOR));
    for (int i = 0; i < N; i++)
        ck_assert(isnan(x[i]) ? isnan(y[i]) : x[i] == y[i]);
    da_array_release(&a);
    da_array_release(&b);
}
END_TEST

START_TEST(what_is_not_written)
{
    da_array *a;
    ck_ok(da_zeros(&a, DA_F64, DA_SHAPE(1, 1, 1)));
    write_text("as it was", 9);
    ck_fails(da_save_csv(path, a, NULL), DA_ERROR_SHAPE, "3 dimensions is no table");
    da_array_release(&a);
    ck_ok(da_zeros(&a, DA_C64, DA_SHAPE(1)));
    ck_fails(da_save_csv(path, a, NULL), DA_ERROR_DTYPE, "complex64");
    da_array_release(&a);
    ck_ok(da_zeros(&a, DA_F64, DA_SHAPE(1)));
    ck_fails(da_save_csv(path, a, "two\nlines"), DA_ERROR_ARGUMENT, "more than one line");
    ck_fails(da_save_csv(NULL, a, NULL), DA_ERROR_ARGUMENT, "path is null");
    ck_fails(da_save_csv("/nowhere/x.csv", a, NULL), DA_ERROR_IO, "/nowhere/x.csv");
    ck_fails(da_save_csv(path, NULL, NULL), DA_ERROR_ARGUMENT, "a is null");
    ck_assert_str_eq(contents(), "as it was");
    da_array_release(&a);
}
END_TEST

/* What arrays could not hold is refused while it is read, not when memory is short. */
START_TEST(more_than_the_limit)
{
    char *const before = getenv("DARRAY_MEMORY_LIMIT");
    da_array *a = NULL;
    FILE *f;

    ck_ok(da_shutdown());
    ck_assert_ptr_null(before);
    setenv("DARRAY_MEMORY_LIMIT", "100K", 1);
    ck_ok(da_shutdown()); /* reads it */
    f = fopen(path, "w");
    for (int i = 0; i < 40000; i++)
        fputs("1\n", f);
    fclose(f);
    ck_fails(da_load_csv(&a, path, 0), DA_ERROR_MEMORY, "line 16385: more than the limit of 102400 bytes");
    f = fopen(path, "w");
    for (int i = 0; i < 300000; i++)
        fputc('1', f);
    fclose(f);
    ck_fails(da_load_csv(&a, path, 0), DA_ERROR_MEMORY, "line 0: more than the limit of 102400 bytes");
    unsetenv("DARRAY_MEMORY_LIMIT");
    ck_ok(da_shutdown());
    ck_assert_ptr_null(a);
}
END_TEST

START_TEST(the_locale_does_not_matter)
{
    da_array *a;
    /* tests/meson.build makes it where locales can be made */
    if (!setlocale(LC_ALL, "de_DE.UTF-8"))
        ck_assert_msg(!getenv("LOCPATH"), "the locale that was made for this test is not there");
    ck_loads("1.5,2.5\n", 0, DA_SHAPE(1, 2), 1.5, 2.5);
    ck_ok(da_full(&a, DA_F64, DA_SHAPE(1), 1.5));
    ck_ok(da_save_csv(path, a, NULL));
    ck_assert_str_eq(contents(), "1.5\n");
    da_array_release(&a);
    setlocale(LC_ALL, "C");
}
END_TEST

DA_TEST_MAIN("csv",
             DA_CASE_WITH("reading", make_file, drop_file, what_is_read, what_is_refused, long_lines,
                          more_than_the_limit),
             DA_CASE_WITH("writing", make_file, drop_file, what_is_written, exactly, what_is_not_written),
             DA_CASE_WITH("locale", make_file, drop_file, the_locale_does_not_matter))
