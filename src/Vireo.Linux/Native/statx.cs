using System.Runtime.InteropServices;

namespace Vireo.Linux.Native;

/// <summary><c>struct statx_timestamp</c>.</summary>
[StructLayout(LayoutKind.Sequential, Size = 16)]
internal struct statx_timestamp
{
    internal long tv_sec;
    internal uint tv_nsec;
}

/// <summary><c>struct statx</c>.</summary>
[StructLayout(LayoutKind.Sequential, Size = 256)]
internal struct statx
{
    internal uint stx_mask;
    internal uint stx_blksize;
    internal ulong stx_attributes;
    internal uint stx_nlink;
    internal uint stx_uid;
    internal uint stx_gid;
    internal ushort stx_mode;

    [CField("")]
    internal ushort __spare0;

    internal ulong stx_ino;
    internal ulong stx_size;
    internal ulong stx_blocks;
    internal ulong stx_attributes_mask;
    internal statx_timestamp stx_atime;
    internal statx_timestamp stx_btime;
    internal statx_timestamp stx_ctime;
    internal statx_timestamp stx_mtime;
    internal uint stx_rdev_major;
    internal uint stx_rdev_minor;
    internal uint stx_dev_major;
    internal uint stx_dev_minor;
    internal ulong stx_mnt_id;
    internal uint stx_dio_mem_align;
    internal uint stx_dio_offset_align;
}
