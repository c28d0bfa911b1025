-- Has each of wrk's connections pause before a request, MEAN_MS milliseconds on average.
local mean = tonumber(os.getenv("MEAN_MS"))

function delay()
  return math.random(0, 2 * mean)
end
