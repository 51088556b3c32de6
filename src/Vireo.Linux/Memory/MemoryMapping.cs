using System.Globalization;
using System.Runtime.InteropServices;
using Vireo.Linux.Files;
using Vireo.Linux.Native;

namespace Vireo.Linux.Memory;

/// <summary>A range of this process' address space, of a file or anonymous; unmapped when disposed.</summary>
/// <remarks>
/// <para>
/// Whoever keeps <see cref="Address"/> or a span over it keeps a raw pointer: nothing but the owner's order of disposal
/// protects it. Take a reference (DangerousAddRef) for pointers that cross threads.
/// </para>
/// <para>
/// Touching a page behind the end of the file raises SIGBUS, which ends the process. <see cref="Map"/> refuses such a range, but
/// whoever shares the file can cut it later unless it is sealed against that (<see cref="MemorySeals.Shrink"/>).
/// </para>
/// </remarks>
public sealed class MemoryMapping : SafeHandle
{
    /// <summary>What mmap answers when it fails.</summary>
    private const nint MapFailed = -1;

    /// <summary>More than any address space has, and small enough that rounding up cannot overflow.</summary>
    private const ulong LengthMax = 1UL << 62;

    /// <summary>Bytes mapped from the handle on: the caller's range, widened to whole pages.</summary>
    private nuint _mappedLength;

#pragma warning disable CA1419 // JUSTIFICATION: no native call returns a mapping; Take fills it.
    private MemoryMapping()
#pragma warning restore CA1419
        : base(MapFailed, ownsHandle: true) { }

    /// <inheritdoc/>
    public override bool IsInvalid => handle is MapFailed or 0;

    /// <summary>Address of the first byte asked for.</summary>
    public nint Address { get; private set; }

    /// <summary>Bytes asked for.</summary>
    public nuint Length { get; private set; }

    /// <summary>Maps a range of a file, shared with all others who map it unless the options say otherwise.</summary>
    /// <param name="file">The file or device. It stays the caller's and may be closed after this call.</param>
    /// <param name="offset">First byte, from 0; it need not be aligned to a page.</param>
    /// <param name="length">Bytes, from 1.</param>
    /// <param name="access">What the mapping may be used for; the file has to be open for it.</param>
    /// <param name="options">How it is mapped.</param>
    /// <exception cref="ArgumentOutOfRangeException">The offset is negative, the length 0, or their sum too large.</exception>
    /// <exception cref="LinuxException">
    /// EINVAL: the range is not within the file; EACCES: not open for this; ENOMEM: no memory or address space; ENODEV: cannot
    /// be mapped.
    /// </exception>
    public static MemoryMapping Map(
        SafeHandle file,
        long offset,
        nuint length,
        MappingAccess access,
        MappingOptions options = MappingOptions.None
    )
    {
        ArgumentNullException.ThrowIfNull(file);
        ThrowIfOutsideFile(file, offset, length);
        nuint pageSize = (nuint)MemoryFile.PageSizeOf(file);
        nuint lead = (nuint)offset % pageSize;
        nuint mappedLength = AlignUp(lead + length, pageSize);
        MemoryMapping mapping = new();
        int flags = FlagsOf(options);
        nint address = LibC.mmap(0, mappedLength, (int)access, flags, file, offset - (long)lead);
        mapping.Take(address, mappedLength, lead, length);
        return mapping;
    }

    /// <summary>Maps zeros that no file backs, private to this process and its children.</summary>
    /// <param name="length">Bytes, from 1.</param>
    /// <param name="access">What the mapping may be used for; None reserves address space.</param>
    /// <param name="options">How it is mapped. With huge pages the length is rounded up to their default size.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is 0 or too large.</exception>
    /// <exception cref="LinuxException">ENOMEM: no memory, huge pages or address space.</exception>
    public static MemoryMapping MapAnonymous(
        nuint length,
        MappingAccess access = MappingAccess.ReadWrite,
        MappingOptions options = MappingOptions.None
    )
    {
        ArgumentOutOfRangeException.ThrowIfZero(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, LengthMax, nameof(length));
        bool isHuge = options.HasFlag(MappingOptions.HugePages);
        nuint pageSize = isHuge ? HugePages.DefaultSizeBytes : (nuint)Environment.SystemPageSize;
        nuint mappedLength = AlignUp(length, pageSize);
        int flags = FlagsOf(options | MappingOptions.CopyOnWrite) | LibC.MAP_ANONYMOUS;
        flags |= isHuge ? LibC.MAP_HUGETLB : 0;
        MemoryMapping mapping = new();
        nint address = LibC.mmap_anonymous(0, mappedLength, (int)access, flags, -1, 0);
        mapping.Take(address, mappedLength, 0, length);
        return mapping;
    }

    /// <summary>Part of the mapping as a span.</summary>
    /// <param name="offset">First byte, counted from <see cref="Address"/>.</param>
    /// <param name="length">Bytes, from 0.</param>
    /// <returns>The bytes; valid until the mapping is disposed, which nothing checks.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The range is not within the mapping.</exception>
    /// <exception cref="ObjectDisposedException">The mapping is disposed.</exception>
    // SAFETY: the range lies within the mapping, which is open now; the remarks state who keeps it so.
    public unsafe Span<byte> GetSpan(nuint offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ThrowIfOutside(offset, (nuint)length);
        return new Span<byte>((void*)(Address + (nint)offset), length);
    }

    /// <summary>Tells the kernel about a range.</summary>
    /// <param name="offset">First byte, counted from <see cref="Address"/>; the sum must be aligned to a page.</param>
    /// <param name="length">Bytes; the kernel rounds up to whole pages.</param>
    /// <param name="advice">What to tell.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range is not within the mapping.</exception>
    /// <exception cref="ObjectDisposedException">The mapping is disposed.</exception>
    /// <exception cref="LinuxException">EINVAL: not aligned, or not known to this kernel; others by advice.</exception>
    public void Advise(nuint offset, nuint length, MemoryAdvice advice)
    {
        ThrowIfOutside(offset, length);
        int result = LibC.madvise(Address + (nint)offset, length, (int)advice);
        if (result < 0)
        {
            // The name is made here only: discards come by the thousand and must not allocate.
            LinuxException.ThrowIfNegative(result, nameof(LibC.madvise), advice.ToString());
        }
    }

    /// <summary>Puts a range of a file in place of a part of this mapping.</summary>
    /// <param name="offset">Where in this mapping; the address must be aligned to the file's pages.</param>
    /// <param name="file">The file or device. It stays the caller's and may be closed after this call.</param>
    /// <param name="fileOffset">First byte in the file; aligned to its pages.</param>
    /// <param name="length">Bytes; a multiple of the file's pages.</param>
    /// <param name="access">What that part may be used for.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range is not within the mapping.</exception>
    /// <exception cref="ObjectDisposedException">The mapping is disposed.</exception>
    /// <exception cref="LinuxException">As in Map; EINVAL also when something is not aligned.</exception>
    public void Overlay(nuint offset, SafeHandle file, long fileOffset, nuint length, MappingAccess access)
    {
        ArgumentNullException.ThrowIfNull(file);
        ThrowIfOutside(offset, length);
        ThrowIfOutsideFile(file, fileOffset, length);
        nuint pageSize = (nuint)MemoryFile.PageSizeOf(file);
        nint target = Address + (nint)offset;
        // mmap would round the length up, over what follows in this mapping or behind it.
        if ((nuint)target % pageSize != 0 || (nuint)fileOffset % pageSize != 0 || length % pageSize != 0)
        {
            throw new LinuxException(Errno.EINVAL, nameof(LibC.mmap), "the range is not made of whole pages");
        }

        nint address = LibC.mmap(target, length, (int)access, LibC.MAP_SHARED | LibC.MAP_FIXED, file, fileOffset);
        LinuxException.ThrowIfNegative(address, nameof(LibC.mmap));
    }

    /// <summary>Turns a part of this mapping back into reserved address space that cannot be touched.</summary>
    /// <param name="offset">Where in this mapping; the address must be aligned to the pages that are there.</param>
    /// <param name="length">Bytes; a multiple of those pages.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range is not within the mapping.</exception>
    /// <exception cref="ObjectDisposedException">The mapping is disposed.</exception>
    /// <exception cref="LinuxException">EINVAL: not aligned.</exception>
    public void Clear(nuint offset, nuint length)
    {
        ThrowIfOutside(offset, length);
        if (length % (nuint)Environment.SystemPageSize != 0)
        {
            throw new LinuxException(Errno.EINVAL, nameof(LibC.mmap), "the range is not made of whole pages");
        }

        const int Flags = LibC.MAP_PRIVATE | LibC.MAP_ANONYMOUS | LibC.MAP_NORESERVE | LibC.MAP_FIXED;
        nint address = LibC.mmap_anonymous(Address + (nint)offset, length, LibC.PROT_NONE, Flags, -1, 0);
        LinuxException.ThrowIfNegative(address, nameof(LibC.mmap));
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => LibC.munmap(handle, _mappedLength) == 0;

    private static int FlagsOf(MappingOptions options)
    {
        int flags = options.HasFlag(MappingOptions.CopyOnWrite) ? LibC.MAP_PRIVATE : LibC.MAP_SHARED;
        flags |= options.HasFlag(MappingOptions.Populate) ? LibC.MAP_POPULATE : 0;
        flags |= options.HasFlag(MappingOptions.NoReserve) ? LibC.MAP_NORESERVE : 0;
        return flags;
    }

    /// <summary>Refuses what would raise SIGBUS. Devices have no size and judge for themselves.</summary>
    private static void ThrowIfOutsideFile(SafeHandle file, long offset, nuint length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfZero(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, (nuint)(long.MaxValue - offset));
        var status = FileStatus.Of(file);
        if (status.Kind == DescriptorKind.RegularFile && (nuint)offset + length > (nuint)status.SizeBytes)
        {
            string range = string.Create(
                CultureInfo.InvariantCulture,
                $"{length} bytes at {offset} of a file of {status.SizeBytes}"
            );
            throw new LinuxException(Errno.EINVAL, nameof(LibC.mmap), range);
        }
    }

    private static nuint AlignUp(nuint value, nuint alignment) => (value + alignment - 1) / alignment * alignment;

    private void Take(nint address, nuint mappedLength, nuint lead, nuint length)
    {
        if (address == MapFailed)
        {
            Errno error = LinuxException.LastError;
            Dispose();
            string detail = string.Create(CultureInfo.InvariantCulture, $"{length} bytes");
            throw new LinuxException(error, nameof(LibC.mmap), detail);
        }

        _mappedLength = mappedLength;
        SetHandle(address);
        Address = address + (nint)lead;
        Length = length;
    }

    private void ThrowIfOutside(nuint offset, nuint length)
    {
        ObjectDisposedException.ThrowIf(IsClosed, this);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length - offset);
    }
}
