using System.Collections.Concurrent;
using Vireo.Core.Contract;
using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.GuestDriver;

/// <summary>A device behind an I/O translation that knows nothing until it is asked, and then a page: what a vIOMMU is to a device.</summary>
internal sealed class TranslatedDevice : VirtioDevice
{
    private const ulong PageBytes = 4096;
    private readonly VirtioDevice _device;
    private readonly Iotlb _translations;
    private readonly BlockingCollection<GuestAddress> _asked = [];
    private readonly Dictionary<int, ISignal> _kicks = [];
    private readonly Thread _answers;
    private int _pages;

    public TranslatedDevice(VirtioDevice device)
    {
        _device = device;
        _translations = new((address, _) => _asked.Add(address));
        _answers = new(Answer) { Name = "iommu", IsBackground = true };
        _answers.Start();
    }

    /// <summary>How many pages were asked for.</summary>
    // Acquire: what was written before the last page was counted.
    public int Pages => Volatile.Read(ref _pages);

    public override DeviceType Type => _device.Type;

    public override FeatureSet OfferedFeatures => _device.OfferedFeatures;

    public override FeatureSet RingFeatures => _device.RingFeatures;

    public override IReadOnlyList<QueueTraits> Queues => _device.Queues;

    public override int ConfigLengthBytes => _device.ConfigLengthBytes;

    public override void ReadConfig(int offset, Span<byte> destination) => _device.ReadConfig(offset, destination);

    public override void Attach(IDeviceHost host, GuestMemory memory) =>
        _device.Attach(host, new TranslatedMemory(_translations, memory));

    public override void Accept(FeatureSet features) => _device.Accept(features.With(CoreFeature.AccessPlatform));

    public override void StartQueue(in QueueSetup setup)
    {
        while (true)
        {
            int before = Pages;
            try
            {
                _device.StartQueue(in setup);
                break;
            }
            catch (RingException exception) when (exception.IsTranslationPending)
            {
                if (!SpinWait.SpinUntil(() => Pages > before, TimeSpan.FromSeconds(20)))
                {
                    throw;
                }
            }
        }

        if (setup.Kick is { } kick)
        {
            lock (_kicks)
            {
                _kicks[setup.Index] = kick;
            }
        }
    }

    public override QueueState? StopQueue(int index)
    {
        lock (_kicks)
        {
            _kicks.Remove(index);
        }

        return _device.StopQueue(index);
    }

    public override void Reset() => _device.Reset();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _device.Dispose();
            _asked.CompleteAdding();
            _answers.Join();
            _asked.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Answers a little later than it was asked, as a monitor does, and lets the rings look again.</summary>
    private void Answer()
    {
        foreach (GuestAddress address in _asked.GetConsumingEnumerable())
        {
            GuestAddress page = new(address.Value & ~(PageBytes - 1));
            _translations.TryMap(page, PageBytes, page, MemoryAccess.ReadWrite);
            // Release: the page is there before it is counted.
            Interlocked.Increment(ref _pages);
            lock (_kicks)
            {
                foreach (ISignal kick in _kicks.Values)
                {
                    kick.Notify();
                }
            }
        }
    }
}
