using System.Text.Json;

namespace Vireo.GuestTests.Rig;

/// <summary>QEMU's machine protocol (QMP): commands with answers, and events.</summary>
public sealed class QemuMonitor
{
    private readonly SerialChannel _channel;
    private readonly Transcript _transcript;
    private int _next;
    private bool _isNegotiated;

    public QemuMonitor(SerialChannel channel, Transcript transcript)
    {
        _channel = channel;
        _transcript = transcript;
    }

    /// <summary>Runs a command and gives what it returned.</summary>
    /// <param name="command">Its name, such as "system_reset".</param>
    /// <param name="arguments">A JSON object, or null.</param>
    /// <exception cref="GuestException">QEMU refused, or did not answer.</exception>
    public JsonElement Execute(string command, string? arguments = null)
    {
        if (!_isNegotiated)
        {
            _ = WaitFor(line => line.StartsWith("{\"QMP\"", StringComparison.Ordinal), "greeting");
            _isNegotiated = true;
            _ = Execute("qmp_capabilities");
        }

        _next = _channel.Lines.Count;
        string rest = arguments is null ? "" : $",\"arguments\":{arguments}";
        _channel.Send($"{{\"execute\":\"{command}\"{rest}}}\n");
        JsonElement answer = WaitFor(IsAnswer, $"answer to {command}");
        return answer.TryGetProperty("return", out JsonElement value)
            ? value
            : throw new GuestException($"QEMU refused {command}: {answer}", _transcript);
    }

    /// <summary>Waits for an event, also one that came since the last command.</summary>
    public JsonElement WaitForEvent(string name, TimeSpan? timeout = null)
    {
        if (!_isNegotiated)
        {
            // Events are sent only after the negotiation.
            _ = Execute("query-status");
        }

        return WaitFor(line => line.Contains($"\"event\": \"{name}\"", StringComparison.Ordinal), name, timeout);
    }

    private JsonElement WaitFor(Predicate<string> wanted, string what, TimeSpan? timeout = null)
    {
        int number = _channel.Lines.WaitFor(wanted, _next, timeout ?? RigTimeouts.Program);
        if (number < 0)
        {
            throw new GuestException($"QEMU's monitor did not say '{what}'.", _transcript);
        }

        _next = number + 1;
        return JsonDocument.Parse(_channel.Lines.Lines(number, number + 1)[0]).RootElement;
    }

    private static bool IsAnswer(string line) =>
        line.StartsWith("{\"return\"", StringComparison.Ordinal)
        || line.StartsWith("{\"error\"", StringComparison.Ordinal);
}
