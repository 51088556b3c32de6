namespace Vireo.Cli.Demo;

/// <summary>The processes of a demonstration, which end with it in the opposite order of their start.</summary>
/// <remarks>One thread starts and waits; <see cref="Cancel"/> may come from any.</remarks>
internal sealed class ProcessList : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Stack<ChildProcess> _children = new();
    private bool _isCancelled;

    /// <summary>Starts a process that stays until the end.</summary>
    /// <inheritdoc cref="ChildProcess.Start"/>
    /// <exception cref="OperationCanceledException">The demonstration is being ended.</exception>
    public ChildProcess Start(string name, ChildStreams streams, string program, params IEnumerable<string> arguments)
    {
        lock (_lock)
        {
            ThrowIfCancelled();
            var child = ChildProcess.Start(name, streams, program, arguments);
            _children.Push(child);
            return child;
        }
    }

    /// <summary>Runs a program to its end; its errors and progress go where ours go.</summary>
    /// <returns>What it printed.</returns>
    /// <exception cref="CommandException">It failed.</exception>
    /// <exception cref="OperationCanceledException">The demonstration is being ended.</exception>
    public string ReadOutput(string program, params IEnumerable<string> arguments)
    {
        ChildProcess child = Start(Path.GetFileName(program), ChildStreams.Read, program, arguments);
        string output = child.ReadToEnd();
        child.WaitForEnd();
        ThrowIfCancelled();
        if (child.ExitCode != 0)
        {
            throw new CommandException($"the guest could not be made ready; '{child.Name}' says why above");
        }

        lock (_lock)
        {
            _children.Pop().Dispose();
        }

        return output;
    }

    /// <summary>Ends what is being waited for, so that the waiting thread finds out.</summary>
    public void Cancel()
    {
        lock (_lock)
        {
            _isCancelled = true;
            if (_children.TryPeek(out ChildProcess? child))
            {
                child.Terminate();
            }
        }
    }

    /// <summary>Goes on only while nobody has ended the demonstration.</summary>
    /// <exception cref="OperationCanceledException">Somebody has.</exception>
    public void ThrowIfCancelled()
    {
        if (_isCancelled)
        {
            throw new OperationCanceledException();
        }
    }

    /// <summary>Ends what still runs, the last one first.</summary>
    public void Dispose()
    {
        while (_children.TryPop(out ChildProcess? child))
        {
            child.Dispose();
        }
    }
}
