namespace Vireo.Tests.Devices.Block;

/// <summary>What became of a request.</summary>
/// <param name="Writable">The whole writable part, the status byte last; bytes that were never written are 0xEE.</param>
/// <param name="Used">The length the device reported.</param>
internal sealed record BlockAnswer(byte[] Writable, uint Used)
{
    public byte Status => Writable[^1];

    public byte[] Data => Writable[..^1];
}
