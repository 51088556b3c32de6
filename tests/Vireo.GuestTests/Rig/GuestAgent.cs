using System.Text;

namespace Vireo.GuestTests.Rig;

/// <summary>The test's end of the channel to eng/guest/agent: hands it scripts, one at a time.</summary>
public sealed class GuestAgent
{
    /// <summary>Comes before each of the agent's own lines (ASCII record separator); scripts do not print it.</summary>
    public const char Separator = '\x1e';

    /// <summary>Longer scripts would overrun the guest's serial port: pass files through the host folder.</summary>
    private const int ScriptBytesMax = 32 * 1024;

    private readonly SerialChannel _channel;
    private int _next;
    private int _commands;

    public GuestAgent(SerialChannel channel)
    {
        _channel = channel;
    }

    /// <summary>Waits until the guest (again) obeys; false when it does not in time.</summary>
    public bool WaitUntilReady(TimeSpan timeout)
    {
        int number = _channel.Lines.WaitFor(
            line => line.EndsWith($"{Separator}ready", StringComparison.Ordinal),
            _next,
            timeout
        );
        _next = number + 1;
        return number >= 0;
    }

    /// <summary>Starts a script.</summary>
    public GuestCommand Start(string script, Guest guest)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(script.ReplaceLineEndings("\n") + "\n");
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, ScriptBytesMax, nameof(script));
        int first = _channel.Lines.Count;
        int id = ++_commands;
        _channel.Send($"run {id} {bytes.Length}\n");
        _channel.Send(bytes);
        return new GuestCommand(guest, _channel.Lines, id, first);
    }

    /// <summary>Asks for something that has no answer: "poweroff" or "reboot".</summary>
    public void Request(string verb)
    {
        _next = _channel.Lines.Count;
        _channel.Send($"{verb}\n");
    }
}
