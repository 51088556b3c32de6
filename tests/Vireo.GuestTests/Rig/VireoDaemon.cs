namespace Vireo.GuestTests.Rig;

/// <summary>A running vireo process: the thing under test.</summary>
public sealed class VireoDaemon : IDisposable
{
    /// <summary>What stands in the line on standard output that says the daemon serves.</summary>
    private const string ReadyWord = "ready";

    private readonly Transcript _transcript;
    private readonly ChildProcess _process;

    /// <summary>Starts vireo and waits until it says that it is ready.</summary>
    public VireoDaemon(
        string name,
        Transcript transcript,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string>? environment = null
    )
    {
        _transcript = transcript;
        _process = ChildProcess.Start(name, transcript, Repository.VireoProgram, arguments, environment);
        try
        {
            _process.WaitForOutput(ReadyWord, RigTimeouts.Program);
        }
        catch
        {
            _process.Dispose();
            throw;
        }
    }

    public ChildProcess Process => _process;

    /// <summary>How many descriptors it has open now.</summary>
    public int CountDescriptors() => ListDescriptors().Count;

    /// <summary>What its open descriptors are, without its libraries: the runtime opens those when it first needs them.</summary>
    public IReadOnlyList<string> ListDescriptors() =>
        [
            .. Directory
                .GetFileSystemEntries($"/proc/{_process.Id}/fd")
                .Select(TargetOf)
                .Where(static target => target.Length > 0 && !target.EndsWith(".dll", StringComparison.Ordinal)),
        ];

    /// <summary>What a descriptor is; empty when it was closed meanwhile.</summary>
    private static string TargetOf(string path)
    {
        try
        {
            return File.ResolveLinkTarget(path, returnFinalTarget: false)?.ToString() ?? "";
        }
        catch (IOException)
        {
            return "";
        }
    }

    /// <summary>Its resident memory in bytes.</summary>
    public long ResidentBytes()
    {
        string line = File.ReadLines($"/proc/{_process.Id}/status")
            .First(text => text.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) * 1024;
    }

    /// <summary>kill -9, and waits for the end.</summary>
    public void Kill()
    {
        _process.Signal(UnixSignal.Kill);
        _ = _process.WaitForExit(RigTimeouts.Program);
    }

    /// <summary>SIGTERM; it must end by itself, with status 0.</summary>
    /// <exception cref="GuestException">It did not, or ended with another status.</exception>
    public void Stop()
    {
        if (!_process.HasExited)
        {
            _process.Signal(UnixSignal.Terminate);
        }

        int status = _process.WaitForExit(RigTimeouts.Program);
        if (status != 0)
        {
            throw new GuestException($"{_process.Name} ended with status {status} instead of 0.", _transcript);
        }
    }

    public void Dispose() => _process.Dispose();
}
