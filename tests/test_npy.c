/* .npy files: what is refused and why, and that saving is all or nothing. numpy_compare.py does the round trips with NumPy. */
#include "array_check.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[128], other[128];

static void make_folder(void)
{
    strcpy(folder, "/tmp/darray-npy-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.npy", folder);
    snprintf(other, sizeof other, "%s/b.npy", folder);
}

static void drop_folder(void)
{
    unlink(path);
    unlink(other);
    ck_assert_msg(rmdir(folder) == 0, "files were left in %s", folder);
}

static void write_file(const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

/* A file of version 1 with this header, and `bytes` bytes of elements: 0, 1, 2, ... */
static void write_npy(const char *header, size_t bytes)
{
    static char file[4096];
    size_t n = strlen(header);
    memcpy(file, "\x93NUMPY\1\0", 8);
    file[8] = (char)(n & 255);
    file[9] = (char)(n >> 8);
    memcpy(file + 10, header, n);
    n += 10;
    for (size_t i = 0; i < bytes; i++)
        file[n++] = (char)i;
    write_file(file, n);
}

/* As long as a name may be. */
START_TEST(long_name)
{
    char name[sizeof folder + 256];
    const int used = snprintf(name, sizeof name, "%s/", folder);
    da_array *a = counted(DA_F64, DA_SHAPE(3)), *b;
    memset(name + used, 'n', 255);
    name[used + 255] = 0;
    ck_ok(da_save_npy(name, a));
    ck_ok(da_load_npy(&b, name));
    ck_assert_int_eq(unlink(name), 0);
    da_array_release(&a);
    da_array_release(&b);
}
END_TEST

START_TEST(round_trip)
{
    const da_dtype dtype = (da_dtype)(_i + 1);
    da_array *a = counted(dtype, DA_SHAPE(3, 4)), *t, *b;
    unsigned char x[2][12 * 16];
    ck_ok(da_matrix_transpose(&t, a));
    ck_ok(da_save_npy(path, t));
    ck_ok(da_load_npy(&b, path));
    ck_assert_int_eq(da_array_dtype(b), dtype);
    ck_assert_int_eq(da_array_shape(b).dim[0], 4);
    ck_ok(da_to_host(t, x[0], sizeof x[0], DA_ROW_MAJOR));
    ck_ok(da_to_host(b, x[1], sizeof x[1], DA_ROW_MAJOR));
    ck_assert_mem_eq(x[0], x[1], 12 * da_dtype_size(dtype));
    da_array_release(&a);
    da_array_release(&b);
    da_array_release(&t);
}
END_TEST

START_TEST(shapes)
{
    static const da_shape list[] = {{0, {0}},       {1, {0}}, {3, {2, 0, 3}}, {1, {1}}, {5, {1, 2, 1, 3, 1}},
                                    {2, {700, 900}}};
    da_array *a, *b;
    for (int i = 0; i < 6; i++) {
        ck_ok(da_random_uniform(&a, DA_F64, list[i], 1));
        ck_ok(da_save_npy(path, a));
        ck_ok(da_load_npy(&b, path));
        const da_shape shape = da_array_shape(b);
        ck_assert_int_eq(shape.ndim, list[i].ndim);
        ck_assert_mem_eq(shape.dim, list[i].dim, sizeof(int64_t) * (size_t)shape.ndim);
        const size_t bytes = (size_t)da_array_size(a) * 8;
        double *x = malloc(bytes + 1), *y = malloc(bytes + 1);
        ck_ok(da_to_host(a, x, bytes, DA_ROW_MAJOR));
        ck_ok(da_to_host(b, y, bytes, DA_ROW_MAJOR));
        if (bytes)
            ck_assert_mem_eq(x, y, bytes);
        free(x);
        free(y);
        da_array_release(&a);
        da_array_release(&b);
    }
}
END_TEST

START_TEST(what_python_may_write)
{
    da_array *a;
    write_npy("{\"descr\":\"|u1\",'fortran_order':True,'shape':(2,3)}\n", 6);
    ck_ok(da_load_npy(&a, path));
    ck_values(a, DA_SHAPE(2, 3), 0, 2, 4, 1, 3, 5);
    da_array_release(&a);
    write_npy("{'shape': (3L,), 'fortran_order': False, 'descr': '>i2', }        \n", 6);
    ck_ok(da_load_npy(&a, path));
    ck_values(a, DA_SHAPE(3), 1, 0x203, 0x405);
    da_array_release(&a);
    write_npy("{'shape': (), 'fortran_order': False, 'descr': '=b1'}", 1);
    ck_ok(da_load_npy(&a, path));
    ck_values(a, DA_SCALAR_SHAPE, 0);
    da_array_release(&a);
    write_npy("{'shape': (6,), 'fortran_order': False, 'descr': '?'}", 6);
    ck_makes_nothing(da_load_npy(&a, path), a, DA_ERROR_FORMAT, "the dtype '?'");
    write_npy("{'shape': (6,), 'fortran_order': False, 'descr': '|b1'}", 6);
    ck_ok(da_load_npy(&a, path)); /* any byte but 0 is true */
    ck_values(a, DA_SHAPE(6), 0, 1, 1, 1, 1, 1);
    bool b[6];
    ck_ok(da_to_host(a, b, sizeof b, DA_ROW_MAJOR));
    ck_assert_uint_eq(*(unsigned char *)&b[5], 1);
    da_array_release(&a);
    write_npy("{'descr': '|i1', 'fortran_order': False, 'shape': (2,), }\n",
              5); /* more than is needed is ignored, as by NumPy */
    ck_ok(da_load_npy(&a, path));
    ck_values(a, DA_SHAPE(2), 0, 1);
    da_array_release(&a);
}
END_TEST

START_TEST(bad_headers)
{
    static const struct {
        const char *header, *text;
    } bad[] = {
        {"", "is no dict"},
        {"[1, 2]", "is no dict"},
        {"{", "a key that is no string"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2,)", "lacks a comma"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2,)} {}", "goes on after its end"},
        {"{'descr': '<f8', 'fortran_order': False}", "has no key 'shape'"},
        {"{'descr': '<f8', 'shape': (2,)}", "has no key 'fortran_order'"},
        {"{'fortran_order': False, 'shape': (2,)}", "has no key 'descr'"},
        {"{}", "has no key"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), 'more': 1}",
         "the key 'more' that no .npy file has"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), 'shape': (3,)}", "the key 'shape' twice"},
        {"{'descr' '<f8'}", "lacks a colon"},
        {"{'descr': '<f8' 'shape': (2,)}", "lacks a comma"},
        {"{'descr': '<f8', 'fortran_order': maybe, 'shape': (2,)}", "neither True nor False at \"maybe"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': 2}", "is no tuple"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2)}", "no tuple of integers"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2.5,)}", "no tuple of integers"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", "negative extent"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (x,)}", "no tuple of integers"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2,", "no tuple of integers"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,)}",
         "does not fit in 64 bits"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)}",
         "more than 16 dimensions"},
        {"{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2,)}", "structured dtype"},
        {"{'descr': 5, 'fortran_order': False, 'shape': (2,)}", "a descr that is no string"},
        {"{'descr': '<f8\\'', 'fortran_order': False, 'shape': (2,)}", "a descr that is no string"},
        {"{'descr': '<f8, ", "a descr that is no string"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (2,)}",
         "the dtype '|O', which is none of darray's"},
        {"{'descr': '<U3', 'fortran_order': False, 'shape': (2,)}", "'<U3'"},
        {"{'descr': '<f16', 'fortran_order': False, 'shape': (2,)}", "'<f16'"},
        {"{'descr': '', 'fortran_order': False, 'shape': (2,)}", "the dtype ''"},
        {"{'descr': '<M8[s]', 'fortran_order': False, 'shape': (2,)}", "'<M8[s]'"},
    };
    da_array *a;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        write_npy(bad[i].header, 16);
        ck_makes_nothing(da_load_npy(&a, path), a, DA_ERROR_FORMAT, bad[i].text);
        ck_assert_ptr_nonnull(strstr(da_error(), path));
    }
}
END_TEST

START_TEST(hostile_sizes)
{
    da_array *a;
    write_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}", 16);
    ck_makes_nothing(da_load_npy(&a, path), a, DA_ERROR_FORMAT,
                     "is truncated: shape (3,) of float64 takes 24 bytes, 16 are there");
    write_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,)}", 16);
    ck_makes_nothing(da_load_npy(&a, path), a, DA_ERROR_FORMAT, "takes 8000000000000 bytes");
    write_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4611686018427387904)}",
              16);
    ck_makes_nothing(da_load_npy(&a, path), a, DA_ERROR_FORMAT, "takes more than 2^63 bytes");
    write_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 9223372036854775807, 3)}", 16);
    ck_makes_nothing(da_load_npy(&a, path), a, DA_ERROR_OVERFLOW, "64 bits");
    write_file("\x93NUMPY\1\0\xff\xff{'descr': '<f8'", 24);
    ck_makes_nothing(da_load_npy(&a, path), a, DA_ERROR_FORMAT,
                     "says that its header has 65535 bytes, but 14 are left");
    write_file("\x93NUMPY\2\0\xff\xff\xff\xff{'descr': '<f8'", 26);
    ck_makes_nothing(da_load_npy(&a, path), a, DA_ERROR_FORMAT, "header has 4294967295 bytes");
}
END_TEST

START_TEST(every_truncation)
{
    char file[256];
    da_array *a;
    a = counted(DA_I16, DA_SHAPE(2, 3));
    ck_ok(da_save_npy(path, a));
    da_array_release(&a);
    FILE *f = fopen(path, "rb");
    const size_t n = fread(file, 1, sizeof file, f);
    fclose(f);
    ck_assert_uint_eq(n, 128 + 12);
    for (size_t k = 0; k < n; k++) {
        write_file(file, k);
        ck_makes_nothing(da_load_npy(&a, path), a, DA_ERROR_FORMAT, path);
    }
    write_file(file, n);
    ck_ok(da_load_npy(&a, path));
    da_array_release(&a);
    for (size_t k = 0; k < 80; k++) { /* no byte of the header brings it down */
        for (int bit = 0; bit < 8; bit++) {
            char broken[256];
            memcpy(broken, file, n);
            broken[k] = (char)(broken[k] ^ (1 << bit));
            write_file(broken, n);
            if (da_load_npy(&a, path) == DA_OK)
                da_array_release(&a);
        }
    }
}
END_TEST

START_TEST(other_files)
{
    da_array *a = counted(DA_F64, DA_SHAPE(3)), *b;
    write_file("PK\3\4 a zip file", 15);
    ck_makes_nothing(da_load_npy(&b, path), b, DA_ERROR_FORMAT, "is no .npy file");
    write_file("\x93NUMPY\4\0", 8);
    ck_makes_nothing(da_load_npy(&b, path), b, DA_ERROR_FORMAT,
                     "format version 4.0; known are 1.0, 2.0 and 3.0");
    write_file("", 0);
    ck_makes_nothing(da_load_npy(&b, path), b, DA_ERROR_FORMAT, "is no .npy file");
    ck_makes_nothing(da_load_npy(&b, "/nowhere/a.npy"), b, DA_ERROR_IO,
                     "cannot open '/nowhere/a.npy': No such file");
    ck_makes_nothing(da_load_npy(&b, folder), b, DA_ERROR_IO, "Is a directory");
    ck_makes_nothing(da_load_npy(&b, NULL), b, DA_ERROR_ARGUMENT, "path is null");
    ck_fails(da_load_npy(NULL, path), DA_ERROR_ARGUMENT, "null");
    ck_fails(da_save_npy("/nowhere/a.npy", a), DA_ERROR_IO, "cannot write '/nowhere/a.npy'");
    ck_fails(da_save_npy(NULL, a), DA_ERROR_ARGUMENT, "path is null");
    ck_fails(da_save_npy(path, NULL), DA_ERROR_ARGUMENT, "a is null");
    da_array_release(&a);
}
END_TEST

START_TEST(all_or_nothing)
{
    da_array *a = counted(DA_F64, DA_SHAPE(3)), *b;
    struct stat st;
    write_file("what was there", 14);
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert_int_eq(symlink(path, other), 0);
    ck_ok(da_save_npy(other, a)); /* through the link, with the file's mode */
    ck_assert_int_eq(lstat(other, &st), 0);
    ck_assert(S_ISLNK(st.st_mode));
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0640);
    ck_ok(da_load_npy(&b, path));
    ck_values(b, DA_SHAPE(3), 0, 1, 2);
    da_array_release(&b);
    if (access("/dev/full", W_OK) == 0)
        ck_fails(da_save_npy("/dev/full", a), DA_ERROR_IO, "No space left");
    if (geteuid() != 0) {
        ck_assert_int_eq(chmod(folder, 0500), 0);
        ck_fails(da_save_npy(path, a), DA_ERROR_IO, "cannot write");
        ck_assert_int_eq(chmod(folder, 0700), 0);
        ck_ok(da_load_npy(&b, path)); /* as it was */
        da_array_release(&b);
    }
    da_array_release(&a);
}
END_TEST

DA_TEST_MAIN("npy", DA_CASE_LOOP_WITH("dtypes", DTYPES, make_folder, drop_folder, round_trip),
             DA_CASE_WITH("valid", make_folder, drop_folder, shapes, what_python_may_write),
             DA_CASE_WITH("invalid", make_folder, drop_folder, bad_headers, hostile_sizes, every_truncation,
                          other_files),
             DA_CASE_WITH("saving", make_folder, drop_folder, all_or_nothing, long_name))
