using Vireo.Core.Memory;
using Vireo.Devices.Block;
using Vireo.Linux;
using Vireo.Linux.Memory;

namespace Vireo.Backends.Block.Memory;

/// <summary>Copies to and from the disk's memory during the call.</summary>
internal sealed class MemoryChannel(MemoryMapping disk, IBlockCompletions completions) : IBlockChannel
{
    /// <inheritdoc/>
    public void Read(uint tag, ArraySegment<Segment> destination, long offsetBytes)
    {
        nuint offset = (nuint)offsetBytes;
        foreach (ref readonly Segment segment in destination.AsSpan())
        {
            disk.GetSpan(offset, segment.Length).CopyTo(segment.Bytes);
            offset += (nuint)segment.Length;
        }

        completions.Complete(tag, BlockResult.Done);
    }

    /// <inheritdoc/>
    public void Write(uint tag, ArraySegment<Segment> source, long offsetBytes, bool isStable)
    {
        nuint offset = (nuint)offsetBytes;
        foreach (ref readonly Segment segment in source.AsSpan())
        {
            segment.Bytes.CopyTo(disk.GetSpan(offset, segment.Length));
            offset += (nuint)segment.Length;
        }

        completions.Complete(tag, BlockResult.Done);
    }

    /// <inheritdoc/>
    public void Flush(uint tag) => completions.Complete(tag, BlockResult.Done);

    /// <inheritdoc/>
    public void Discard(uint tag, long offsetBytes, long lengthBytes)
    {
        DropPages(offsetBytes, lengthBytes);
        completions.Complete(tag, BlockResult.Done);
    }

    /// <inheritdoc/>
    public void WriteZeroes(uint tag, long offsetBytes, long lengthBytes, bool mayUnmap)
    {
        if (!mayUnmap || !DropPages(offsetBytes, lengthBytes))
        {
            disk.GetSpan((nuint)offsetBytes, (int)lengthBytes).Clear();
        }

        completions.Complete(tag, BlockResult.Done);
    }

    /// <inheritdoc/>
    /// <remarks>Overwritten first: pages given back could be seen again only by the kernel, but they would not be gone at once.</remarks>
    public void SecureErase(uint tag, long offsetBytes, long lengthBytes)
    {
        disk.GetSpan((nuint)offsetBytes, (int)lengthBytes).Clear();
        Discard(tag, offsetBytes, lengthBytes);
    }

    /// <inheritdoc/>
    public void BeginStop() { }

    /// <inheritdoc/>
    public void Dispose() { }

    /// <summary>Gives whole pages back to the host and clears what is left of the range at its ends.</summary>
    /// <returns>False when the host refused; what the range holds is then undefined.</returns>
    private bool DropPages(long offsetBytes, long lengthBytes)
    {
        long page = Environment.SystemPageSize;
        long end = offsetBytes + lengthBytes;
        long first = Math.Min((offsetBytes + page - 1) / page * page, end);
        long last = Math.Max(end / page * page, first);
        disk.GetSpan((nuint)offsetBytes, (int)(first - offsetBytes)).Clear();
        disk.GetSpan((nuint)last, (int)(end - last)).Clear();
        if (last == first)
        {
            return true;
        }

        try
        {
            disk.Advise((nuint)first, (nuint)(last - first), MemoryAdvice.Drop);
            return true;
        }
        catch (LinuxException)
        {
            return false;
        }
    }
}
