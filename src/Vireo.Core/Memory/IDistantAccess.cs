using Vireo.Core.Contract;

namespace Vireo.Core.Memory;

/// <summary>Reaches memory that is not mapped: by messages to whoever has it.</summary>
/// <remarks>
/// All members but <see cref="Post"/> belong to one control thread. Nothing waits: what is asked for is done later, in the order in
/// which it was asked for, and then the step ends that it belongs to. Parts of a range that are mapped are left alone.
/// </remarks>
public interface IDistantAccess
{
    /// <summary>Fetches a range.</summary>
    /// <param name="range">The range; all of it is memory.</param>
    /// <param name="destination">Where to, from its first byte; null for the mirror.</param>
    /// <param name="step">Ends when it is there.</param>
    void Read(GuestRange range, byte[]? destination, DistantStep step);

    /// <summary>Gives a range back.</summary>
    /// <param name="range">The range; all of it is memory.</param>
    /// <param name="source">The bytes; null for those of the mirror, which stay as they are until the step ends.</param>
    /// <param name="step">Ends when the driver's side has it.</param>
    void Write(GuestRange range, byte[]? source, DistantStep step);

    /// <summary>Sends all that was asked for, now: before an answer after which the driver may use its memory for something else.</summary>
    void Flush();

    /// <summary>Lets the control thread do something soon. Any thread.</summary>
    void Post(Action action);

    /// <summary>Does something whenever the driver kicks, until disposed.</summary>
    /// <param name="kick">The kick, one that the transport's host has made.</param>
    /// <param name="action">What to do, on the control thread.</param>
    IDisposable Watch(ISignal kick, Action action);

    /// <summary>Makes a kick for a queue in the mirror.</summary>
    ISignal MakeKick();
}
