namespace Vireo.GuestTests.Rig;

/// <summary>The three streams between a test and its guest.</summary>
public sealed class GuestChannels : IDisposable
{
    public GuestChannels(string folder, string guest, Transcript transcript)
    {
        Console = new SerialChannel(Path.Combine(folder, "console"), guest, transcript);
        Agent = new SerialChannel(Path.Combine(folder, "agent"), $"{guest} agent", transcript);
        Monitor = new SerialChannel(Path.Combine(folder, "monitor"), $"{guest} monitor", transcript);
    }

    /// <summary>The first serial port: firmware and kernel.</summary>
    public SerialChannel Console { get; }

    /// <summary>The second serial port: the agent in the guest.</summary>
    public SerialChannel Agent { get; }

    /// <summary>QEMU's own monitor (QMP).</summary>
    public SerialChannel Monitor { get; }

    public void Dispose()
    {
        Console.Dispose();
        Agent.Dispose();
        Monitor.Dispose();
    }
}
