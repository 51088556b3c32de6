using Vireo.Core.Contract;
using Vireo.Core.Transports.Ccw;
using Vireo.Core.Transports.Pci;

namespace Vireo.Tests.Core.Transports;

/// <summary>A host that remembers what a transport asked of it.</summary>
internal sealed class ProbeHost : IPciHost, ICcwHost
{
    private readonly Dictionary<int, CountingSignal> _kicks = [];

    public List<int> Vectors { get; } = [];

    /// <summary>The levels of the interrupt line, one for each change.</summary>
    public List<bool> Levels { get; } = [];

    public bool Line => Levels.Count > 0 && Levels[^1];

    /// <summary>How often the subchannel was interrupted.</summary>
    public int SubchannelInterrupts { get; set; }

    /// <summary>The subclasses of adapter interrupts.</summary>
    public List<byte> AdapterInterrupts { get; } = [];

    public List<string> ResetReasons { get; } = [];

    public IQueueLoop LoopFor(int queueIndex) => throw new InvalidOperationException("no test device has a loop");

    public ISignal KickFor(int queueIndex) => Kicks(queueIndex);

    public CountingSignal Kicks(int queueIndex)
    {
        if (!_kicks.TryGetValue(queueIndex, out CountingSignal? signal))
        {
            _kicks[queueIndex] = signal = new();
        }

        return signal;
    }

    public void SetInterruptLine(bool isAsserted) => Levels.Add(isAsserted);

    public void OnNeedsReset(string reason) => ResetReasons.Add(reason);

    public void InterruptSubchannel() => SubchannelInterrupts++;

    public void InterruptAdapter(byte subclass) => AdapterInterrupts.Add(subclass);

    public void CallVector(int vector) => Vectors.Add(vector);

    internal sealed class CountingSignal : ISignal
    {
        public int Count { get; private set; }

        public void Notify() => Count++;
    }
}
