using System.CommandLine;
using Microsoft.Extensions.Logging;
using Vireo.Core.Contract;
using Vireo.Homes.Vduse;
using Vireo.Linux;
using Vireo.Linux.Events;
using Vireo.Linux.Vduse;

namespace Vireo.Cli.Homes;

/// <summary><c>--vduse</c>: the device is on this host's vDPA bus, for the host itself, its containers and its virtual machines.</summary>
internal sealed class VduseChoice : HomeChoice
{
    private readonly Option<string?> _name = new("--vduse")
    {
        Description = "Serve this host's kernel through /dev/vduse/NAME; 'vireo vdpa add NAME' puts it on the bus.",
        HelpName = "NAME",
    };

    private readonly Option<bool> _add = new("--vdpa-add")
    {
        Description = "Put the VDUSE device on the vDPA bus, and take it off at the end.",
    };

    private readonly Option<string?> _state = new("--vduse-state")
    {
        Description = "Where a successor of this process finds what it needs to go on (/dev/shm/vireo-vduse-NAME).",
        HelpName = "FILE",
    };

    private readonly Option<bool> _ownsBuffers = new("--vduse-own-buffers")
    {
        Description =
            "Copies behind virtio-vdpa go through locked memory of this process, 64 MiB, in place of the kernel's.",
    };

    /// <inheritdoc/>
    public override string Usage => "--vduse NAME";

    /// <inheritdoc/>
    public override void AddTo(Command command)
    {
        command.Add(_name);
        command.Add(_add);
        command.Add(_state);
        command.Add(_ownsBuffers);
    }

    /// <inheritdoc/>
    public override bool IsChosen(ParseResult result) => result.GetValue(_name) is not null;

    /// <inheritdoc/>
    public override IServedHome Open(VirtioDevice device, EventLoopGroup loops, ParseResult result, ILogger logger)
    {
        string name = result.GetValue(_name)!;
        if (name.Length == 0)
        {
            throw new CommandException("the name of the VDUSE device is empty", ExitCode.Usage);
        }

        VduseOptions options = new()
        {
            Logger = logger,
            StatePath = result.GetValue(_state),
            OwnsBounceBuffers = result.GetValue(_ownsBuffers),
        };
        try
        {
            var home = VduseHome.Create(name, device, loops, options);
            return result.GetValue(_add)
                ? new VduseOnBus(home, name, logger)
                : new VduseServed(home, $"at /dev/vduse/{name}");
        }
        catch (LinuxException exception)
            when (string.Equals(exception.Detail, VduseControl.NodePath, StringComparison.Ordinal))
        {
            throw new CommandException(
                exception.Error == Errno.ENOENT
                    ? $"{VduseControl.NodePath} is not there; load the kernel's module with 'modprobe vduse'"
                    : $"{VduseControl.NodePath} cannot be opened by this user ({exception.Error}); its owner or root can"
            );
        }
    }

    private sealed class VduseServed(VduseHome home, string place) : IServedHome
    {
        public string Place => place;

        public void Run() => home.Run();

        public void Stop() => home.Stop();

        public void Dispose() => home.Dispose();
    }
}
