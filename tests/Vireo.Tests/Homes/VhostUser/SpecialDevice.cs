using Microsoft.Win32.SafeHandles;
using Vireo.Core.Contract;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>A device that has everything only some device types have.</summary>
internal sealed class SpecialDevice()
    : EmulatedDevice(new QueueTraits("queue")),
        IStatefulDevice,
        IAnnouncingDevice,
        IMtuDevice,
        ICryptoSessionDevice,
        IDisplayDevice,
        ISharedObjectDevice
{
    public static readonly Guid SharedId = new("01020304-0506-0708-090a-0b0c0d0e0f10");

    public override DeviceType Type => DeviceType.Gpu;

    public override FeatureSet OfferedFeatures => FeatureSet.Empty;

    public override int ConfigLengthBytes => 8;

    public override IReadOnlyList<SharedRegion> SharedRegions { get; } = [new(0, 0x10000), new(7, 0x2000)];

    /// <summary>The home, as a device finds what only some homes offer.</summary>
    public ISharedMemoryHost Memory => (ISharedMemoryHost)Host!;

    /// <inheritdoc cref="Memory"/>
    public ISharedObjectHost Objects => (ISharedObjectHost)Host!;

    public byte[] State { get; set; } = [];

    public byte[]? Announced { get; private set; }

    public ushort Mtu { get; private set; }

    public byte[]? Session { get; private set; }

    public SafeFileHandle? Display { get; private set; }

    public SafeFileHandle? Shared { get; set; }

    public byte[] SaveState() => State.Length > 0 ? State : throw new DeviceException("there is nothing to save");

    public void LoadState(ReadOnlySpan<byte> state)
    {
        if (state.Length > 0 && state[0] == 0xff)
        {
            throw new DeviceException("this is no state");
        }

        State = state.ToArray();
    }

    public void Announce(ReadOnlySpan<byte> macAddress) => Announced = macAddress.ToArray();

    public bool TrySetMtu(ushort mtuBytes)
    {
        if (mtuBytes < 68)
        {
            return false;
        }

        Mtu = mtuBytes;
        return true;
    }

    public long CreateSession(ReadOnlySpan<byte> description)
    {
        Session = description.ToArray();
        return description[0] == 0 ? -1 : 5;
    }

    public bool TryCloseSession(long session) => session == 5;

    public void SetDisplay(SafeFileHandle socket)
    {
        Display?.Dispose();
        Display = socket;
    }

    public SafeFileHandle? FindShared(Guid id) => id == SharedId ? Shared : null;

    protected override QueueHandler CreateHandler(int queueIndex) => new Handler();

    protected override void Dispose(bool disposing)
    {
        Display?.Dispose();
        base.Dispose(disposing);
    }

    private sealed class Handler : QueueHandler
    {
        protected override void Handle(in DescriptorChain chain) => Complete(chain.Head, 0);
    }
}
