using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;
using Vireo.Homes.Loops;
using Vireo.Linux;
using Vireo.Linux.Vhost;

namespace Vireo.Homes.Vhost.Kernel;

/// <summary>A device whose queues the kernel runs itself (vhost): <c>/dev/vhost-net</c>, <c>/dev/vhost-scsi</c>, <c>/dev/vhost-vsock</c>.</summary>
/// <remarks>
/// To a home, or to a driver, a device like any other; kicks and calls go between driver and kernel directly. Memory must be mapped in
/// this process, kicks event descriptors; calls that are none are passed on by a thread. Rings are split ones. Where an I/O translation
/// stands in front of the memory, the kernel asks for what it needs (ACCESS_PLATFORM, VIRTIO 1.4 §6.1).
/// </remarks>
public sealed class VhostKernelProxy : VirtioDevice
{
    private readonly IVhostKernelDevice _door;
    private readonly VhostKernelDescription _description;
    private readonly QueueSetup?[] _running;
    private readonly CallBridge _calls = new();
    private readonly FeatureSet _known;
    private readonly bool _canTranslate;
    private GuestMemory? _memory;
    private VhostTranslations? _translations;
    private FeatureSet _accepted;
    private bool _isMemoryTold;
    private bool _isAccepted;

    internal VhostKernelProxy(IVhostKernelDevice door, VhostKernelDescription description)
    {
        _door = door;
        _description = description;
        FeatureSet offered = VhostFeatures.Of(door.ReadFeatures());
        // Between driver and home ACCESS_PLATFORM is the home's affair. To the kernel it means to ask for each translation: it is told so
        // where the memory it would have to know is not known beforehand.
        _canTranslate = offered.Contains(CoreFeature.AccessPlatform);
        _known = offered.Without(description.WithheldFeatures).Without(CoreFeature.AccessPlatform);
        RingFeatures = VhostFeatures.OfRings(_known).WithIf(CoreFeature.AccessPlatform, _canTranslate);
        OfferedFeatures = VhostFeatures.OfDevice(_known) | description.Features;
        _running = new QueueSetup?[description.Queues.Count];
    }

    /// <inheritdoc/>
    public override DeviceType Type => _description.Type;

    /// <inheritdoc/>
    public override FeatureSet OfferedFeatures { get; }

    /// <inheritdoc/>
    public override FeatureSet RingFeatures { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<QueueTraits> Queues => _description.Queues;

    /// <inheritdoc/>
    public override int ConfigLengthBytes => _description.Config.Length;

    /// <summary>Opens a device.</summary>
    /// <param name="path">Its node, such as <c>/dev/vhost-net</c>.</param>
    /// <param name="description">What the kernel does not say.</param>
    /// <exception cref="LinuxException">ENOENT: the module is not loaded; EACCES: not allowed.</exception>
    public static VhostKernelProxy Open(string path, VhostKernelDescription description)
    {
        ArgumentNullException.ThrowIfNull(description);
        var door = VhostKernelDevice.Open(path);
        try
        {
            return new(door, description);
        }
        catch
        {
            door.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override void ReadConfig(int offset, Span<byte> destination)
    {
        destination.Clear();
        ReadOnlySpan<byte> space = _description.Config.Span;
        if ((uint)offset < (uint)space.Length)
        {
            ReadOnlySpan<byte> rest = space[offset..];
            rest[..Math.Min(rest.Length, destination.Length)].CopyTo(destination);
        }
    }

    /// <inheritdoc/>
    public override void Attach(IDeviceHost host, GuestMemory memory)
    {
        _memory = memory;
        _isMemoryTold = false;
    }

    /// <inheritdoc/>
    public override void Accept(FeatureSet features)
    {
        _accepted = features & _known;
        Ask(TellFeatures);
        _isAccepted = true;
    }

    /// <inheritdoc/>
    public override void StartQueue(in QueueSetup setup)
    {
        if ((uint)setup.Index >= (uint)_running.Length || _running[setup.Index] is not null)
        {
            throw new DeviceException($"queue {setup.Index} runs already, or is not one of {_running.Length} queues");
        }

        if (_memory is null || !_isAccepted)
        {
            throw new DeviceException($"queue {setup.Index} cannot run before memory and features are known");
        }

        if (setup.Index < _description.Rings.Count)
        {
            QueueSetup copy = setup;
            Ask(() => Run(copy));
        }

        _running[setup.Index] = setup;
        KickAll();
    }

    /// <inheritdoc/>
    public override QueueState? StopQueue(int index)
    {
        if ((uint)index >= (uint)_running.Length || _running[index] is not { } setup)
        {
            return null;
        }

        _running[index] = null;
        if (index >= _description.Rings.Count)
        {
            return setup.State;
        }

        uint position = 0;
        Ask(() =>
        {
            _description.Rings.Stop(_door, index);
            position = _door.ReadPosition(index);
        });
        _calls.Forget(index);
        if (!HasRunningRing)
        {
            _translations?.End();
        }

        KickAll();
        return VhostPosition.OfDrainedSplit(_memory!, setup.Areas) with
        {
            AvailableIndex = (ushort)(position & ushort.MaxValue),
        };
    }

    /// <inheritdoc/>
    public override void Reset()
    {
        for (int index = 0; index < _running.Length; index++)
        {
            StopQueue(index);
        }

        _isAccepted = false;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _translations?.Dispose();
            _door.Dispose();
            _calls.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Whether the kernel runs a ring.</summary>
    private bool HasRunningRing
    {
        get
        {
            for (int index = 0; index < _description.Rings.Count; index++)
            {
                if (_running[index] is not null)
                {
                    return true;
                }
            }

            return false;
        }
    }

    private static void Ask(Action action)
    {
        try
        {
            action();
        }
        catch (LinuxException exception)
        {
            throw new DeviceException($"the kernel's vhost refuses: {exception.Message}", exception);
        }
    }

    private void Run(QueueSetup setup)
    {
        TellMemory();
        _description.Rings.Prepare(_door, setup.Index);
        ushort size = setup.Areas.Size;
        VhostRing ring = new(
            size,
            AddressOf(setup.Areas.Descriptors, SplitRing.DescriptorBytes(size), MemoryAccess.Read, "descriptor area"),
            AddressOf(setup.Areas.Driver, SplitRing.AvailableBytes(size), MemoryAccess.Read, "driver area"),
            AddressOf(setup.Areas.Device, SplitRing.UsedBytes(size), MemoryAccess.ReadWrite, "device area"),
            VhostPosition.OfDrainedSplit(_memory!, setup.Areas).AvailableIndex
        );
        _door.SetRing(setup.Index, in ring);
        _door.SetKick(setup.Index, VhostSignals.DescriptorOf(setup.Kick, setup.Index));
        _door.SetCall(setup.Index, _calls.HandleOf(setup.Index, setup.Call));
        _description.Rings.Start(_door, setup.Index);
    }

    /// <summary>Has the kernel look at all rings: what was kicked while they were being started or stopped it has not seen.</summary>
    private void KickAll()
    {
        for (int index = 0; index < _description.Rings.Count; index++)
        {
            _running[index]?.Kick?.Notify();
        }
    }

    private void TellFeatures() =>
        _door.AcceptFeatures(
            VhostFeatures.ToKernel(_accepted.WithIf(CoreFeature.AccessPlatform, _translations is not null))
        );

    /// <summary>Tells the kernel of the memory, or that it has to ask; of what it was told before nothing is left.</summary>
    private void TellMemory()
    {
        if (_translations is null && (_memory is MappedMemory or DistantMemory || !_canTranslate))
        {
            if (!_isMemoryTold)
            {
                _door.SetMemory(VhostMemory.RegionsOf(_memory!));
            }
        }
        else if (!HasRunningRing)
        {
            if (_translations is null)
            {
                // A kernel that asks goes on asking, whatever memory comes later.
                _translations = new(_door);
                TellFeatures();
                // The kernel wants a table all the same, and does not look into it.
                _door.SetMemory([]);
            }

            _translations.Begin(_memory!);
        }

        _isMemoryTold = true;
    }

    /// <summary>The address of an area for the kernel: in this process, or the driver's where the kernel asks for translations.</summary>
    /// <exception cref="RingException">A translation of it has been asked for; try again when it has come.</exception>
    private ulong AddressOf(GuestAddress address, int lengthBytes, MemoryAccess access, string area)
    {
        if (_translations is null)
        {
            return VhostMemory.HostAddressOf(_memory!, address, lengthBytes, area);
        }

        return _translations.TryTell(new(address, (uint)lengthBytes), access, area)
            ? address.Value
            : throw new RingException($"the translation of the {area} at {address} has not come")
            {
                IsTranslationPending = true,
            };
    }
}
