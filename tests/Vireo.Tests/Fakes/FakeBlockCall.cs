using Vireo.Core.Memory;

namespace Vireo.Tests.Fakes;

/// <summary>One request a <see cref="FakeBlockBackend"/> was given.</summary>
/// <param name="Kind">Read, Write, Flush, Discard, WriteZeroes or SecureErase.</param>
/// <param name="Channel">The channel it came through.</param>
/// <param name="Tag">Its name.</param>
/// <param name="Segments">Its segments, of a read or write.</param>
/// <param name="OffsetBytes">Where.</param>
/// <param name="LengthBytes">How much.</param>
/// <param name="Flag">Stable for a write, may unmap for write zeroes.</param>
internal sealed record FakeBlockCall(
    string Kind,
    FakeBlockChannel Channel,
    uint Tag,
    Segment[] Segments,
    long OffsetBytes,
    long LengthBytes,
    bool Flag
)
{
    public override string ToString() => $"{Kind}({OffsetBytes}, {LengthBytes}{(Flag ? ", true" : "")})";
}
