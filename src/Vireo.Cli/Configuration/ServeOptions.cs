using System.CommandLine;
using Microsoft.Extensions.Logging;

namespace Vireo.Cli.Configuration;

/// <summary>The options that every served device has, whatever its type and home: threads and log.</summary>
internal sealed class ServeOptions
{
    /// <summary>More threads than this for one device are a typing error.</summary>
    private const int ThreadsMax = 1024;

    /// <summary>The longest time a thread may poll before it sleeps: past a second nothing is won and a processor is lost.</summary>
    private const int PollMicrosecondsMax = 1_000_000;

    private readonly Option<int> _threads = Accept.Number(
        "--threads",
        "Threads that work on queues.",
        least: 1,
        ThreadsMax,
        usual: 1
    );

    private readonly Option<int> _poll = Accept.Number(
        "--poll-us",
        "Microseconds a thread looks for work before it sleeps: answers sooner, costs processor time.",
        least: 0,
        PollMicrosecondsMax,
        usual: 0
    );

    private readonly LogOptions _log = new();

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(_threads);
        command.Add(_poll);
        _log.AddTo(command);
    }

    /// <summary>How many threads work on queues.</summary>
    public int ThreadsOf(ParseResult result) => result.GetValue(_threads);

    /// <summary>How long a thread looks for work before it sleeps.</summary>
    public TimeSpan PollTimeOf(ParseResult result) => TimeSpan.FromMicroseconds(result.GetValue(_poll));

    /// <summary>Makes the log the command line asks for.</summary>
    public ILogger OpenLog(ParseResult result, string category, TextWriter error) => _log.Open(result, category, error);
}
