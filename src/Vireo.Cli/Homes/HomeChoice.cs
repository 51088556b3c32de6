using System.CommandLine;
using Microsoft.Extensions.Logging;
using Vireo.Core.Contract;
using Vireo.Linux.Events;

namespace Vireo.Cli.Homes;

/// <summary>A home that a device may be put into: an option of every device's command.</summary>
/// <remarks>To add a home: derive from this, and name it in <see cref="HomeCatalog"/>.</remarks>
internal abstract class HomeChoice
{
    /// <summary>What the home is called in messages: <c>--vhost-user SOCKET</c>.</summary>
    public abstract string Usage { get; }

    /// <summary>Adds the home's options to a device's command.</summary>
    public abstract void AddTo(Command command);

    /// <summary>Whether the command line asks for this home.</summary>
    public abstract bool IsChosen(ParseResult result);

    /// <summary>Whether it is this home when the command line asks for none.</summary>
    public virtual bool IsMeantOtherwise(ParseResult result) => false;

    /// <summary>Brings a device into the home; from here on somebody may connect.</summary>
    /// <param name="device">The device; stays the caller's.</param>
    /// <param name="loops">The threads its queues run on; stay the caller's.</param>
    /// <param name="result">The parsed command line.</param>
    /// <param name="logger">Where the home tells what happens.</param>
    /// <returns>The home, ready to run; the caller's.</returns>
    public abstract IServedHome Open(VirtioDevice device, EventLoopGroup loops, ParseResult result, ILogger logger);
}
