using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Vireo.Linux.Native;

namespace Vireo.Linux.Sockets;

/// <summary>The ancillary data of one message, over memory of the caller.</summary>
internal ref struct ControlBuffer
{
    internal ControlBuffer(Span<byte> bytes) => Bytes = bytes;

    /// <summary>The memory.</summary>
    internal Span<byte> Bytes { get; }

    /// <summary>Bytes of it that hold something.</summary>
    internal int Used { get; set; }

    private static int HeaderBytes => Unsafe.SizeOf<cmsghdr>();

    /// <summary>Bytes of memory for this many descriptors.</summary>
    internal static int SizeFor(int descriptors) => AlignUp(HeaderBytes + (descriptors * sizeof(int)));

    /// <summary>What the kernel is told: exact, because its rounding would admit a descriptor more.</summary>
    internal static nuint LengthFor(int descriptors) =>
        descriptors == 0 ? 0 : (nuint)(HeaderBytes + (descriptors * sizeof(int)));

    /// <summary>Writes descriptors as one message, taking a reference on each.</summary>
    /// <param name="descriptors">The descriptors.</param>
    /// <param name="held">Counts the references as they are taken; the caller gives them back, after a failure, too.</param>
    internal void PutDescriptors(ReadOnlySpan<SafeHandle> descriptors, ref int held)
    {
        if (descriptors.IsEmpty)
        {
            return;
        }

        int length = HeaderBytes + (descriptors.Length * sizeof(int));
        cmsghdr header = new()
        {
            cmsg_len = (nuint)length,
            cmsg_level = LibC.SOL_SOCKET,
            cmsg_type = LibC.SCM_RIGHTS,
        };
        MemoryMarshal.Write(Bytes, header);
        Span<int> numbers = MemoryMarshal.Cast<byte, int>(Bytes[HeaderBytes..length]);
        foreach (SafeHandle descriptor in descriptors)
        {
            bool isHeld = false;
            descriptor.DangerousAddRef(ref isHeld);
            using DescriptorLease lease = new(descriptor);
            numbers[held] = lease.Number;
            held++;
        }

        Used = SizeFor(descriptors.Length);
    }

    /// <summary>Gives back the references PutDescriptors took.</summary>
    internal static void Release(ReadOnlySpan<SafeHandle> descriptors)
    {
        foreach (SafeHandle descriptor in descriptors)
        {
            descriptor.DangerousRelease();
        }
    }

    /// <summary>Wraps every descriptor that was received; those there is no room for are closed.</summary>
    /// <returns>False when some were closed.</returns>
    internal readonly bool TakeDescriptors(Span<SafeFileHandle?> destination, out int count)
    {
        count = 0;
        bool isComplete = true;
        Span<byte> rest = Bytes[..Math.Min(Used, Bytes.Length)];
        while (rest.Length >= HeaderBytes)
        {
            cmsghdr header = MemoryMarshal.Read<cmsghdr>(rest);
            int length = (int)Math.Min(header.cmsg_len, (nuint)rest.Length);
            if (length < HeaderBytes)
            {
                break;
            }

            if (header.cmsg_level == LibC.SOL_SOCKET && header.cmsg_type == LibC.SCM_RIGHTS)
            {
                isComplete &= Wrap(MemoryMarshal.Cast<byte, int>(rest[HeaderBytes..length]), destination, ref count);
            }

            rest = rest[Math.Min(AlignUp(length), rest.Length)..];
        }

        return isComplete;
    }

    private static bool Wrap(ReadOnlySpan<int> numbers, Span<SafeFileHandle?> destination, ref int count)
    {
        bool isComplete = true;
        foreach (int number in numbers)
        {
            SafeFileHandle handle = new(number, ownsHandle: true);
            if (count < destination.Length)
            {
                destination[count] = handle;
                count++;
            }
            else
            {
                handle.Dispose();
                isComplete = false;
            }
        }

        return isComplete;
    }

    private static int AlignUp(int length) => (length + sizeof(long) - 1) / sizeof(long) * sizeof(long);
}
