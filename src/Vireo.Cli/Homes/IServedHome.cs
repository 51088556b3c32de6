namespace Vireo.Cli.Homes;

/// <summary>A home with a device in it.</summary>
internal interface IServedHome : IDisposable
{
    /// <summary>Where the device is to be found, as the end of a sentence: <c>on /tmp/disk.sock</c>.</summary>
    string Place { get; }

    /// <summary>Serves until stopped, or until nobody can come any more. Called once.</summary>
    void Run();

    /// <summary>Makes <see cref="Run"/> return soon. Any thread may call, at any time, repeatedly.</summary>
    void Stop();
}
