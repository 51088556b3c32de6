using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Devices.Entropy;
using Vireo.Homes.Loopback;

namespace Vireo.Tests.Simulation;

/// <summary>The entropy device, whose backend lets the driver change memory while a request is being answered.</summary>
internal sealed class HostileEntropy : HostileTarget, IEntropyBackend
{
    private const byte Answer = 0x5e;

    private GuestRange _data;

    /// <summary>What the driver does while the device fills a buffer.</summary>
    public Action? Meanwhile { get; set; }

    public override VirtioDevice CreateDevice() => new EntropyDevice(this);

    public override void Prepare(LoopbackHome home) => _data = home.Allocate(16 * 1024);

    public override int MakeRequest(Random random, List<GuestRange> pieces)
    {
        int readable = random.Next(4) == 0 ? 1 : 0;
        for (int count = readable + random.Next(1, 4); count > 0; count--)
        {
            pieces.Add(new(_data.Address + (uint)random.Next(8 * 1024), (uint)random.Next(64)));
        }

        return readable;
    }

    public override void AssertWorks(LoopbackHome home)
    {
        GuestRange buffer = new(_data.Address, 40);
        home.Bytes(buffer).Clear();
        Assert.Equal(40u, home.Exchange(0, [], [buffer]));
        Assert.Equal(-1, home.Bytes(buffer).IndexOfAnyExcept(Answer));
    }

    public void Fill(Span<byte> destination)
    {
        Meanwhile?.Invoke();
        destination.Fill(Answer);
    }

    public override void Dispose() => Meanwhile = null;
}
