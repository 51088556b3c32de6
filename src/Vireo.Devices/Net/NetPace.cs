namespace Vireo.Devices.Net;

/// <summary>How soon a queue looks at its ring again.</summary>
/// <remarks>
/// A driver on another processor that is looked at all the time never gets ahead: each of its packets is taken by itself, and
/// every line of the ring travels to and fro for it. After a turn that took a few packets the ring is left alone for
/// as long as a driver needs for some more. Packets that were taken are published before, and an empty turn ends it, so nothing is late
/// by more than this.
/// </remarks>
internal struct NetPace
{
    /// <summary>What drivers make available at once when they poll is 32; turns of nearly as many need no patience.</summary>
    private const int BurstMin = 24;

    /// <summary>About 200 ns: the runtime makes each of them 37 ns long.</summary>
    private const int Pauses = 6;

    private bool _isPatient;

    /// <summary>A turn begins: waits if the last one took a few packets.</summary>
    public void Wait()
    {
        if (_isPatient)
        {
            _isPatient = false;
            Thread.SpinWait(Pauses);
        }
    }

    /// <summary>A turn has taken packets.</summary>
    /// <param name="count">How many, from 0.</param>
    public void Note(int count) => _isPatient = count is > 0 and < BurstMin;
}
