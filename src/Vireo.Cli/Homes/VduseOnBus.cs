using Microsoft.Extensions.Logging;
using Vireo.Homes.Vduse;
using Vireo.Linux;
using Vireo.Linux.Vdpa;

namespace Vireo.Cli.Homes;

/// <summary>A VDUSE device that is put on the bus when it is served, and taken off before it ends.</summary>
/// <remarks>
/// The kernel asks the device while it adds and removes it, so both happen on a thread of their own, and the home serves meanwhile.
/// </remarks>
internal sealed partial class VduseOnBus : IServedHome
{
    private readonly VduseHome _home;
    private readonly string _name;
    private readonly ILogger _logger;
    private readonly Lock _changing = new();
    private bool _isStopping;

    /// <summary>Why the device could not be put on the bus.</summary>
    private string? _failure;

    /// <summary>Takes over a home.</summary>
    /// <param name="home">The home; becomes this object's.</param>
    /// <param name="name">The device's name.</param>
    /// <param name="logger">Where it is said what became of it.</param>
    public VduseOnBus(VduseHome home, string name, ILogger logger)
    {
        _home = home;
        _name = name;
        _logger = logger;
    }

    /// <inheritdoc/>
    public string Place => $"at /dev/vduse/{_name}, on the vDPA bus";

    /// <inheritdoc/>
    public void Run()
    {
        Start(Add, "vdpa add");
        _home.Run();
        if (_failure is { } failure)
        {
            throw new CommandException(failure);
        }
    }

    /// <inheritdoc/>
    public void Stop()
    {
        lock (_changing)
        {
            if (_isStopping)
            {
                return;
            }

            _isStopping = true;
        }

        Start(Remove, "vdpa del");
    }

    /// <inheritdoc/>
    public void Dispose() => _home.Dispose();

    private static void Start(Action action, string name) =>
        new Thread(() => action()) { IsBackground = true, Name = name }.Start();

    private void Add()
    {
        try
        {
            using var bus = VdpaBus.Open();
            // A predecessor that was killed has left it there.
            if (bus.Find(_name) is null)
            {
                bus.Add(_name);
            }

            VdpaDevice? device = bus.Find(_name);
            OnBus(_logger, _name, device?.Place ?? "no driver has taken it");
        }
        catch (LinuxException exception)
        {
            _failure = $"'{_name}' cannot be put on the vDPA bus: {exception.Message}";
            _home.Stop();
        }
    }

    private void Remove()
    {
        try
        {
            using var bus = VdpaBus.Open();
            bus.Delete(_name);
        }
        catch (LinuxException exception)
        {
            NotRemoved(_logger, _name, exception.Message);
        }

        _home.Stop();
    }

    [LoggerMessage(500, LogLevel.Information, "{Name} is on the vDPA bus: {Place}")]
    private static partial void OnBus(ILogger logger, string name, string place);

    [LoggerMessage(501, LogLevel.Warning, "{Name} was not taken off the vDPA bus: {Reason}")]
    private static partial void NotRemoved(ILogger logger, string name, string reason);
}
