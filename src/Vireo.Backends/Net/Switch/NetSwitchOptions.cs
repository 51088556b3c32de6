namespace Vireo.Backends.Net.Switch;

/// <summary>How a switch behaves.</summary>
public sealed record NetSwitchOptions
{
    /// <summary>For how long an address is remembered that sends nothing.</summary>
    public TimeSpan Ageing { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How many frames a second each port may have flooded to all others; 0 for no limit.</summary>
    public int FloodsPerSecond { get; init; }

    /// <summary>How many addresses are remembered, rounded up to a power of two; 16 to 1,048,576.</summary>
    public int AddressesMax { get; init; } = 8192;
}
