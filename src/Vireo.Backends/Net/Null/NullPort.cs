using Vireo.Devices.Net;

namespace Vireo.Backends.Net.Null;

/// <summary>A network where nobody is: takes every frame and brings none, to measure all the rest.</summary>
public sealed class NullPort : INetPort, INetBurstSender, INetReceiver
{
    /// <inheritdoc/>
    public NetPortTraits Traits { get; } =
        new()
        {
            PairsMax = NetDevice.PairsLimit,
            SendOffloads = NetOffloads.All,
            ReceiveOffloads = NetOffloads.All,
            ReadsFrames = false,
        };

    /// <inheritdoc/>
    public bool IsLinkUp => true;

    /// <inheritdoc/>
    public Action? LinkChanged { get; set; }

    /// <inheritdoc/>
    public bool HasRoom => true;

    /// <inheritdoc/>
    public void SetReceiveOffloads(NetOffloads offloads) { }

    /// <inheritdoc/>
    public void SetPairsUsed(int count) { }

    /// <inheritdoc/>
    public INetSender OpenSender(int pairIndex, INetQueue queue) => this;

    /// <inheritdoc/>
    public INetReceiver OpenReceiver(int pairIndex, INetReceiveQueue queue) => this;

    /// <inheritdoc/>
    public void Inject(ReadOnlySpan<byte> frame) { }

    /// <inheritdoc/>
    public void Send(in NetFrame frame) { }

    /// <inheritdoc/>
    public void Send(in NetBurst burst) { }

    /// <inheritdoc/>
    public void Flush() { }

    /// <inheritdoc/>
    public int Receive(int countMax) => 0;

    /// <inheritdoc/>
    public void Dispose() { }
}
