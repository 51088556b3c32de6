namespace Vireo.Devices.Net;

/// <summary>Configurations of scaling beside the one in force, by number (VIRTIO 1.4 §5.1.6.5.8).</summary>
/// <remarks>
/// The driver adds, changes and deletes them. VIRTIO 1.4 has nothing yet that sends a packet to one: they are checked like the one in
/// force, kept and forgotten at a reset. Used by the loop of the control queue, and by the control thread while that does not run.
/// </remarks>
internal sealed class NetScalingContexts
{
    /// <summary>The highest number, and so how many there may be.</summary>
    public const int CountMax = 16;

    private readonly (NetHasher Hasher, NetScaling Scaling)?[] _contexts = new (NetHasher, NetScaling)?[CountMax];

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>Whether a number can have a context.</summary>
    public static bool IsNumber(int number) => number is >= 1 and <= CountMax;

    /// <summary>Whether there is one of a number.</summary>
    public bool Contains(int number) => IsNumber(number) && _contexts[number - 1] is not null;

    /// <summary>Adds one, or puts it in the place of the one there was.</summary>
    public void Set(int number, NetHasher hasher, NetScaling scaling)
    {
        Count += Contains(number) ? 0 : 1;
        _contexts[number - 1] = (hasher, scaling);
    }

    /// <summary>Deletes one that there is.</summary>
    public void Remove(int number)
    {
        Count--;
        _contexts[number - 1] = null;
    }

    /// <summary>Deletes all.</summary>
    public void Clear()
    {
        Array.Clear(_contexts);
        Count = 0;
    }
}
