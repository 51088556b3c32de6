using Vireo.Core.Memory;
using Vireo.Devices.Block;

namespace Vireo.Tests.Fakes;

/// <summary>A channel that hands every call to its backend.</summary>
internal sealed class FakeBlockChannel(FakeBlockBackend backend, IBlockCompletions completions) : IBlockChannel
{
    public IBlockCompletions Completions => completions;

    public bool IsStopping { get; private set; }

    public bool IsDisposed { get; private set; }

    public void Read(uint tag, ArraySegment<Segment> destination, long offsetBytes) =>
        Take("Read", tag, destination, offsetBytes, LengthOf(destination), flag: false);

    public void Write(uint tag, ArraySegment<Segment> source, long offsetBytes, bool isStable) =>
        Take("Write", tag, source, offsetBytes, LengthOf(source), isStable);

    public void Flush(uint tag) => Take("Flush", tag, [], 0, 0, flag: false);

    public void Discard(uint tag, long offsetBytes, long lengthBytes) =>
        Take("Discard", tag, [], offsetBytes, lengthBytes, flag: false);

    public void WriteZeroes(uint tag, long offsetBytes, long lengthBytes, bool mayUnmap) =>
        Take("WriteZeroes", tag, [], offsetBytes, lengthBytes, mayUnmap);

    public void SecureErase(uint tag, long offsetBytes, long lengthBytes) =>
        Take("SecureErase", tag, [], offsetBytes, lengthBytes, flag: false);

    public void BeginStop()
    {
        IsStopping = true;
        backend.CompleteAll();
    }

    public void Dispose() => IsDisposed = true;

    private static long LengthOf(ArraySegment<Segment> segments)
    {
        long length = 0;
        foreach (Segment segment in segments)
        {
            Assert.NotEqual(0, segment.Length);
            length += segment.Length;
        }

        return length;
    }

    private void Take(
        string kind,
        uint tag,
        ArraySegment<Segment> segments,
        long offsetBytes,
        long lengthBytes,
        bool flag
    )
    {
        Assert.False(IsDisposed, "a request after the channel's end");
        backend.Take(new(kind, this, tag, [.. segments.AsSpan()], offsetBytes, lengthBytes, flag));
    }
}
