using System.CommandLine;
using Microsoft.Extensions.Logging;
using Vireo.Linux.Events;

namespace Vireo.Cli.Configuration;

/// <summary>The options that every served device has, whatever its type and home: threads and log.</summary>
internal sealed class ServeOptions
{
    /// <summary>More threads than this for one device are a typing error.</summary>
    private const int ThreadsMax = 1024;

    /// <summary>The longest time a thread may poll before it sleeps: past a second nothing is won and a processor is lost.</summary>
    private const int PollMicrosecondsMax = 1_000_000;

    /// <summary>About what a sleep and a wake-up cost: to look for work any longer costs more than it saves.</summary>
    private const int UsualPollMicroseconds = 10;

    /// <summary>The largest number of a processor that Linux can be built for.</summary>
    private const int ProcessorMax = 8191;

    private readonly Option<int> _threads = Accept.Number(
        "--threads",
        "Threads that work on queues.",
        least: 1,
        ThreadsMax,
        usual: 1
    );

    private readonly Option<int?> _poll = Accept.OptionalNumber(
        "--poll-us",
        $"Microseconds a thread looks for work before it sleeps; default: up to {UsualPollMicroseconds}, where that saves a sleep.",
        least: 0,
        PollMicrosecondsMax
    );

    private readonly Option<int[]> _processors = Accept.Numbers(
        "--cpus",
        "Processors to pin the threads to, one after the other: 2,3.",
        ProcessorMax
    );

    private readonly LogOptions _log = new();

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(_threads);
        command.Add(_poll);
        command.Add(_processors);
        _log.AddTo(command);
    }

    /// <summary>How many threads work on queues.</summary>
    public int ThreadsOf(ParseResult result) => result.GetValue(_threads);

    /// <summary>How the threads are made.</summary>
    /// <param name="result">The parsed command line.</param>
    /// <param name="name">Their name.</param>
    public EventLoopOptions LoopsOf(ParseResult result, string name)
    {
        int? poll = result.GetValue(_poll);
        return new()
        {
            Name = name,
            AdaptsPollWindow = poll is null,
            PollWindow = TimeSpan.FromMicroseconds(poll ?? UsualPollMicroseconds),
            Processors = result.GetValue(_processors) ?? [],
        };
    }

    /// <summary>Makes the log the command line asks for.</summary>
    public ILogger OpenLog(ParseResult result, string category, TextWriter error) => _log.Open(result, category, error);
}
