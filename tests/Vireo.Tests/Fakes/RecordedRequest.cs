namespace Vireo.Tests.Fakes;

/// <summary>A request as a device sees it.</summary>
/// <param name="Readable">What the driver gives.</param>
/// <param name="WritableBytes">How much it has room for, the status included.</param>
internal sealed record RecordedRequest(byte[] Readable, int WritableBytes)
{
    public uint Type => BitConverter.ToUInt32(Readable, 0);

    public ulong Sector => BitConverter.ToUInt64(Readable, 8);

    /// <summary>What follows the header.</summary>
    public byte[] Data => Readable[16..];
}
